"""Models as Ollama's clients read them."""

from __future__ import annotations

import json

from ollama import ListResponse, ProcessResponse, ShowResponse

from lingma_trio.api.listed_model import ListedModel
from lingma_trio.api.ollama.models import running_list, shown_body, tag_list, version_body
from lingma_trio.api.openapi.ollama import OllamaRunning, OllamaShown, OllamaTags

AUTO = ListedModel("org_auto", "Auto", 131_072, sees=True, reasons=True)
QWEN = ListedModel("qwen3:8b", "千问")


def test_a_list_holds_every_model_in_order() -> None:
    """Each goes by a name with a tag, and is told from others by a digest."""
    told = tag_list([AUTO, QWEN], family="lingma", created=1_700_000_000)
    listed = OllamaTags.model_validate_json(told, strict=True).models
    assert [model.name for model in listed] == [model.model for model in listed] == ["org_auto:latest", "qwen3:8b"]
    assert {model.modified_at for model in listed} == {"2023-11-14T22:13:20Z"}
    assert len({model.digest for model in listed}) == 2
    assert ListResponse.model_validate_json(told).models[0].details is not None
    assert json.loads(tag_list([], family="lingma", created=1)) == {"models": []}


def test_all_models_are_ready() -> None:
    """None has to be loaded, and each tells how much it reads where Lingma does."""
    told = running_list([AUTO, QWEN], family="lingma")
    first, second = OllamaRunning.model_validate_json(told, strict=True).models
    assert (first.context_length, first.digest) == (131_072, json.loads(told)["models"][0]["digest"])
    assert "context_length" not in second.model_fields_set
    assert ProcessResponse.model_validate_json(told).models[1].expires_at is not None


def test_a_model_tells_what_it_can() -> None:
    """Every model takes tools and fills in, which is emulated; how much it reads is found by the architecture's name.

    Continue asks for what belongs before a suffix where the template has one, and else in the form of other models.
    """
    told = shown_body(AUTO, family="lingma", created=1_700_000_000)
    shown = OllamaShown.model_validate_json(told, strict=True)
    assert shown.capabilities == ["completion", "tools", "insert", "vision", "thinking"]
    assert {".System", ".Tools", ".Prompt", ".Suffix"} <= set(shown.template.split())
    assert shown.model_info[f"{shown.model_info['general.architecture']}.context_length"] == 131_072
    assert ShowResponse.model_validate_json(told).modelinfo == shown.model_info
    less = OllamaShown.model_validate_json(shown_body(QWEN, family="lingma", created=1), strict=True)
    assert less.capabilities == ["completion", "tools", "insert"]
    assert less.model_info == {"general.architecture": "lingma", "general.basename": "千问"}


def test_the_version_is_three_numbers() -> None:
    """Clients compare it with the one that they need."""
    assert all(part.isdigit() for part in json.loads(version_body())["version"].split("."))
