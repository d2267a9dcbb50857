"""Models as OpenAI's clients read them."""

from __future__ import annotations

import json

from openai.types import Model

from lingma_trio.api.listed_model import ListedModel
from lingma_trio.api.openai.models import model_body, model_list

AUTO = ListedModel("org_auto", "Auto", 131_072)
QWEN = ListedModel("qwen", "千问")


def test_a_list_holds_every_model_in_order() -> None:
    """Keys are the ids, display names stand beside them, and the order is the catalogue's."""
    answer = json.loads(model_list([AUTO, QWEN], owned_by="lingma", created=1_700_000_000))
    assert answer["object"] == "list"
    assert answer["data"] == [
        {
            "id": model.id,
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": "lingma",
            "name": model.name,
            "max_input_tokens": model.max_input_tokens,
            "max_tokens": None,
        }
        for model in (AUTO, QWEN)
    ]


def test_an_empty_catalogue_is_an_empty_list() -> None:
    """Without models the list is still a list."""
    assert json.loads(model_list([], owned_by="lingma", created=1)) == {"object": "list", "data": []}


def test_one_model_is_its_entry_of_the_list() -> None:
    """Asked for alone, a model looks as it does in the list."""
    (entry,) = json.loads(model_list([QWEN], owned_by="lingma", created=1))["data"]
    assert json.loads(model_body(QWEN, owned_by="lingma", created=1)) == entry


def test_the_official_client_accepts_a_model() -> None:
    """A model is valid, strictly, under the official client's own type."""
    model = Model.model_validate_json(model_body(AUTO, owned_by="lingma-simulator", created=1), strict=True)
    assert (model.id, model.owned_by) == ("org_auto", "lingma-simulator")
