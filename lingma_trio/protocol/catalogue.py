"""Reads the result of `config/queryModels` and finds in it the model that a client means.

Knows the shapes that builds of Lingma give the list. Must not know JSON-RPC, any API's list of models, or a single
model by name: which there are depends on the account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

_CHAT_SCENE = "chat"
_KEY = "key"
_OLDER_KEYS = ("id", "modelId")
_NAMES = ("displayName", "name", "label", "title")
_MAX_DEPTH = 8  # of the walk; lists of models lie two levels deep
_MOST_TOKENS = 2**53  # what every client can count


@dataclass(frozen=True, slots=True)
class Model:
    """One model: `key` is what Lingma wants to be asked with, `name` what people call it.

    `reasons` says that it shows its reasoning. `sees` says that it takes images, which one is given the chance to of
    which Lingma does not tell; `max_input_tokens` is None where it does not.
    """

    key: str
    name: str
    is_default: bool = False
    reasons: bool = False
    sees: bool = True
    max_input_tokens: int | None = None

    @property
    def names(self) -> tuple[str, str]:
        """Its key and its name."""
        return self.key, self.name


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The models of an account, each once, those of the chat scene first and otherwise in Lingma's order."""

    models: tuple[Model, ...] = ()
    _by_key: dict[str, Model] = field(init=False, repr=False, compare=False)
    _folded: dict[str, Model] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make what every request looks into: the keys, and behind them the names, without regard to case."""
        by_key: dict[str, Model] = {}
        folded: dict[str, Model] = {}
        for model in self.models:
            by_key.setdefault(model.key, model)
            folded.setdefault(model.key.casefold(), model)
        for model in self.models:
            folded.setdefault(model.name.casefold(), model)
        object.__setattr__(self, "_by_key", by_key)
        object.__setattr__(self, "_folded", folded)

    @classmethod
    def read(cls, result: object) -> Catalogue:
        """Return the catalogue in the result of `config/queryModels`. Never raises; `{}`, the answer to one who is
        not logged in, and junk give an empty catalogue.

        The result is a map of scenes to lists of models (protocol reference). Older builds nest them otherwise and
        name the fields otherwise, so it is searched for whatever looks like a model. Of a key that several scenes
        have, the first is taken.
        """
        models: dict[str, Model] = {}
        for model in _models_in(result, _MAX_DEPTH):
            models.setdefault(model.key, model)
        return cls(tuple(models.values()))

    @classmethod
    def union(cls, catalogues: Iterable[Catalogue]) -> Catalogue:
        """Return the models of all of them, each key once; of two that differ the earlier one is taken."""
        models: dict[str, Model] = {}
        for catalogue in catalogues:
            for model in catalogue.models:
                models.setdefault(model.key, model)
        return cls(tuple(models.values()))

    def has(self, key: str) -> bool:
        """Return whether the model of exactly this key is in it."""
        return key in self._by_key

    def find(self, requested: str) -> Model | None:
        """Return the model that `requested` means, or None.

        It may be a key or a display name in any case, keys going first, and have providers in front of it as in
        `lingma/auto`.
        """
        wanted = requested
        while wanted:
            name = wanted.strip()
            model = self._by_key.get(name) or self._folded.get(name.casefold())
            if model is not None:
                return model
            wanted = wanted.partition("/")[2]
        return None

    def resolve(self, requested: str, default: str) -> str:
        """Return the key to ask Lingma with for the model a client names, or `default`'s when there is none of it.

        A `default` that is not in the catalogue is returned as it is: the operator may know a model that Lingma does
        not list.
        """
        model = self.choose(requested, default)
        return default if model is None else model.key

    def choose(self, requested: str, default: str) -> Model | None:
        """The model that a client names, or the `default` when there is none of it; None where that is not listed."""
        return self.find(requested) or self.find(default)


def _models_in(node: object, depth: int) -> Iterator[Model]:
    """Every model beneath `node`, which is taken for a container itself."""
    if depth == 0:
        return
    if isinstance(node, dict):
        children = [node.get(_CHAT_SCENE), *(child for scene, child in node.items() if scene != _CHAT_SCENE)]
    elif isinstance(node, list):
        children = node
    else:
        return
    for child in children:
        yield from _read_item(child, depth)


def _read_item(item: object, depth: int) -> Iterator[Model]:
    """The model that `item` is, or the models beneath it.

    A scene may have an `id` of its own, so that is a model's only where no models lie beneath.
    """
    if isinstance(item, dict) and (key := _text(item, (_KEY,))):
        yield _model(key, item)
        return
    beneath = tuple(_models_in(item, depth - 1))
    if beneath:
        yield from beneath
    elif isinstance(item, dict) and (key := _text(item, _OLDER_KEYS)):
        yield _model(key, item)


def _model(key: str, item: dict[str, Any]) -> Model:
    tokens = item.get("maxInputTokens")
    if type(tokens) is float and tokens.is_integer():  # JSON knows no integers
        tokens = int(tokens)
    return Model(
        key=key,
        name=_text(item, _NAMES) or key,
        is_default=item.get("isDefault") is True,
        reasons=item.get("isReasoning") is True,
        sees=item.get("isVl") is not False,
        max_input_tokens=tokens if type(tokens) is int and 0 < tokens <= _MOST_TOKENS else None,
    )


def _text(item: dict[str, Any], fields: tuple[str, ...]) -> str:
    """The first of the fields that holds text which is not blank, or the empty string."""
    for name in fields:
        value = item.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""
