"""Ollama's lists of models, and what it tells of one.

Knows Ollama's objects; must not know where the catalogue comes from.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from lingma_trio.api.json_text import encodable, encode
from lingma_trio.api.ollama.line import moment
from lingma_trio.api.ollama.names import with_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingma_trio.api.listed_model import ListedModel

API_VERSION: Final = "0.12.10"
"""The version of Ollama whose API is spoken: clients tell by it what they may send and read."""

_TEMPLATE: Final = "{{ .System }}{{ .Tools }}{{ .Prompt }}{{ .Suffix }}"
"""What a request may hold, in the form of a model's template: some clients look there for what they may send."""

_FOR_EVER: Final = "9999-12-31T23:59:59Z"


def version_body() -> bytes:
    """Return the version of the API as JSON."""
    return encode({"version": API_VERSION})


def tag_list(models: Sequence[ListedModel], *, family: str, created: int) -> bytes:
    """Return the list of `models` as JSON; `family` is whose they are, `created` in seconds since the epoch."""
    return encode({"models": [{**_fields(model, family), "modified_at": moment(created)} for model in models]})


def running_list(models: Sequence[ListedModel], *, family: str) -> bytes:
    """Return the same as the list of the models that are loaded, which all of them are at any time, as JSON."""
    return encode({"models": [_running(model, family) for model in models]})


def shown_body(model: ListedModel, *, family: str, created: int) -> bytes:
    """Return what is told of one model as JSON; `created` is in seconds since the epoch.

    Clients find the context's length by the name of the architecture, where Lingma tells it.
    """
    about: dict[str, object] = {"general.architecture": family, "general.basename": encodable(model.name)}
    if model.max_input_tokens is not None:
        about[f"{family}.context_length"] = model.max_input_tokens
    abilities = {"completion": True, "tools": True, "insert": True, "vision": model.sees, "thinking": model.reasons}
    return encode(
        {
            "license": "",
            "modelfile": "",
            "parameters": "",
            "template": _TEMPLATE,
            "details": _details(family),
            "model_info": about,
            "capabilities": [name for name, has in abilities.items() if has],
            "modified_at": moment(created),
        }
    )


def _running(model: ListedModel, family: str) -> dict[str, object]:
    bound = {} if model.max_input_tokens is None else {"context_length": model.max_input_tokens}
    return {**_fields(model, family), "expires_at": _FOR_EVER, "size_vram": 0, **bound}


def _fields(model: ListedModel, family: str) -> dict[str, object]:
    """What both lists have; the digest stands for a model's name, since nothing else of it is known here."""
    name = with_tag(encodable(model.id))
    digest = sha256(name.encode()).hexdigest()
    return {"name": name, "model": name, "size": 0, "digest": digest, "details": _details(family)}


def _details(family: str) -> dict[str, object]:
    return {
        "parent_model": "",
        "format": "",
        "family": family,
        "families": [family],
        "parameter_size": "",
        "quantization_level": "",
    }
