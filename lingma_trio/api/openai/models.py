"""OpenAI's list of models and its single model.

Knows OpenAI's `model` object; must not know where the catalogue comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.json_text import encodable, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingma_trio.api.listed_model import ListedModel


def model_list(models: Sequence[ListedModel], *, owned_by: str, created: int) -> bytes:
    """Return the list of `models` as JSON; `created` is in seconds since the epoch."""
    return encode({"object": "list", "data": [_fields(model, owned_by, created) for model in models]})


def model_body(model: ListedModel, *, owned_by: str, created: int) -> bytes:
    """Return one model as JSON; `created` is in seconds since the epoch."""
    return encode(_fields(model, owned_by, created))


def _fields(model: ListedModel, owned_by: str, created: int) -> dict[str, object]:
    return {
        "id": encodable(model.id),
        "object": "model",
        "created": created,
        "owned_by": encodable(owned_by),
        "name": encodable(model.name),
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": None,
    }
