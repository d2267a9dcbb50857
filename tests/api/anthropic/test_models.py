"""Lists of models as Anthropic's clients read them."""

from __future__ import annotations

import json

from anthropic.types import ModelInfo

from lingma_trio.api.anthropic.models import model_body, model_list
from lingma_trio.api.listed_model import ListedModel

MODELS = [ListedModel("org_auto", "Auto", 131_072), ListedModel("qwen", "Qwen \u2028\ud800")]
CREATED = 1_700_000_000


def test_a_list_is_one_page() -> None:
    """All models stand on the one page, which names its ends."""
    listed = json.loads(model_list(MODELS, created=CREATED))
    assert [model["id"] for model in listed.pop("data")] == ["org_auto", "qwen"]
    assert listed == {"has_more": False, "first_id": "org_auto", "last_id": "qwen"}


def test_an_empty_list_has_no_ends() -> None:
    """Without models there is nothing to name."""
    assert json.loads(model_list([], created=CREATED)) == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


def test_the_official_client_accepts_a_model() -> None:
    """Each field is what the official client's own type wants, the moment in RFC 3339."""
    model = ModelInfo.model_validate_json(model_body(MODELS[1], created=CREATED), strict=True)
    assert (model.id, model.display_name) == ("qwen", "Qwen \u2028?")
    assert model.created_at.timestamp() == CREATED
    assert (model.max_input_tokens, model.max_tokens) == (None, None)
    first = ModelInfo.model_validate_json(model_body(MODELS[0], created=CREATED), strict=True)
    assert first.max_input_tokens == 131_072
    assert json.loads(model_body(MODELS[0], created=CREATED))["created_at"] == "2023-11-14T22:13:20Z"
