"""Anthropic's list of models and its single model.

Knows Anthropic's `model` object; must not know where the catalogue comes from.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lingma_trio.api.json_text import encodable, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingma_trio.api.listed_model import ListedModel


def model_list(models: Sequence[ListedModel], *, created: int) -> bytes:
    """Return the whole list of `models` as one page of JSON.

    `created` is in seconds since the epoch.
    """
    data = [_fields(model, created) for model in models]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return encode({"data": data, "has_more": False, **ends})


def model_body(model: ListedModel, *, created: int) -> bytes:
    """Return one model as JSON; `created` is in seconds since the epoch."""
    return encode(_fields(model, created))


def _fields(model: ListedModel, created: int) -> dict[str, object]:
    return {
        "type": "model",
        "id": encodable(model.id),
        "display_name": encodable(model.name),
        "created_at": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": None,
    }
