"""Reads what a new session of an agent's offers: its models and modes, and how each is chosen.

Two ways live side by side: `configOptions`, of which those of the categories `model` and `mode` matter here, and the
older `models` and `modes` with a method each. Agents have either, both or neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from lingma_trio.protocol.acp.messages import MAX_LABEL
from lingma_trio.protocol.catalogue import Catalogue, Model
from lingma_trio.protocol.fields import mapping, string
from lingma_trio.protocol.request import Request

Category: TypeAlias = Literal["mode", "model"]

MAX_NAMES: Final = 20
"""Modes that are named to the operator."""

SET_OPTION: Final = "session/set_config_option"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of what is offered; `id` is what the agent wants to be told, `name` what people call it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What is offered of one category, and what is in force.

    `config_id` is that of the configuration option which chooses, or empty where the category has a method of its own.
    """

    offered: tuple[Choice, ...] = ()
    current: str = ""
    config_id: str = ""

    def find(self, wanted: str) -> Choice | None:
        """The choice of this very id; None where it is not offered."""
        return next((choice for choice in self.offered if choice.id == wanted), None)


@dataclass(frozen=True, slots=True)
class Opened:
    """A session as it was opened, for one turn to begin with."""

    session_id: str
    models: Choices = Choices()
    modes: Choices = Choices()

    @classmethod
    def read(cls, result: object) -> Opened:
        """Read the result of `session/new`. Never raises; without a session its id is empty."""
        found = result if isinstance(result, dict) else {}
        return cls(
            session_id=string(found, "sessionId"),
            models=read_option(found, "model") or _read_older(found, "models", "availableModels", "currentModelId"),
            modes=read_option(found, "mode") or _read_older(found, "modes", "availableModes", "currentModeId"),
        )

    def body(self) -> dict[str, Any]:
        """The result of a `session/new` from which the same would be read."""
        told = {"model": self.models, "mode": self.modes}
        body: dict[str, Any] = {"sessionId": self.session_id}
        if options := [_option(category, found) for category, found in told.items() if found.config_id]:
            body["configOptions"] = options
        for category, found in told.items():
            if found.offered and not found.config_id:
                name = category.capitalize()
                offered = [{"id": choice.id, "name": choice.name} for choice in found.offered]
                body[f"{category}s"] = {f"available{name}s": offered, f"current{name}Id": found.current}
        return body

    def catalogue(self, *, sees: bool, name: str = "agent") -> Catalogue:
        """The models as a catalogue; `sees` says whether the agent takes pictures.

        An agent that offers none has one all the same, which bears its `name`: clients want one to choose.
        """
        offered = self.models.offered or (Choice(name, name),)
        current = self.models.current or offered[0].id
        return Catalogue(
            tuple(Model(choice.id, choice.name, is_default=choice.id == current, sees=sees) for choice in offered)
        )

    def mode_fault(self, mode: str) -> str:
        """Why a session cannot have the mode that the operator wants, with those there are; empty where it can."""
        if not mode or self.modes.find(mode) is not None:
            return ""
        names = ", ".join(choice.id[:MAX_LABEL] for choice in self.modes.offered[:MAX_NAMES])
        return f"the agent does not offer ACP_MODE={mode}; " + (f"it offers {names}" if names else "it offers no modes")

    def choose(self, category: Category, wanted: str) -> Request | None:
        """What puts a choice in force; None where it is in force, or where nothing of this name is offered.

        An agent is never told a name that it did not offer: some take any, and fail with it later.
        """
        choices = self.modes if category == "mode" else self.models
        choice = choices.find(wanted) if wanted else None
        if choice is None or choice.id == choices.current:
            return None
        session = {"sessionId": self.session_id}
        if choices.config_id:
            params = {**session, "configId": choices.config_id, "value": choice.id}
            return Request(SET_OPTION, params, awaited=True, about=category)
        key = "modeId" if category == "mode" else "modelId"
        return Request(f"session/set_{category}", {**session, key: choice.id}, awaited=True, about=category)


def read_option(result: object, category: Category) -> Choices | None:
    """The configuration option of a category, which every answer that has options has in full; None without one."""
    options = result.get("configOptions") if isinstance(result, dict) else None
    for option in options if isinstance(options, list) else []:
        if not isinstance(option, dict) or option.get("category") != category:
            continue
        config_id, offered = string(option, "id"), tuple(_choices(option.get("options"), ("value",)))
        if config_id and offered:
            return Choices(offered, string(option, "currentValue"), config_id)
    return None


def _option(category: str, found: Choices) -> dict[str, Any]:
    offered = [{"value": choice.id, "name": choice.name} for choice in found.offered]
    return {"id": found.config_id, "category": category, "currentValue": found.current, "options": offered}


def _read_older(result: dict[str, Any], field: str, available: str, current: str) -> Choices:
    found = mapping(result, field)
    return Choices(tuple(_choices(found.get(available), ("modelId", "id"))), string(found, current))


def _choices(found: object, ids: tuple[str, ...]) -> Iterator[Choice]:
    """Those in a list, also where it is parted into groups, each once."""
    seen = set()
    for item in found if isinstance(found, list) else []:
        if not isinstance(item, dict):
            continue
        if isinstance(item.get("options"), list):
            parts = list(_choices(item["options"], ids))
        else:
            key = next((string(item, name) for name in ids if string(item, name)), "")
            parts = [Choice(key, string(item, "name") or key)] if key else []
        for part in parts:
            if part.id not in seen:
                seen.add(part.id)
                yield part
