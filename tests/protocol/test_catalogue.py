"""The catalogue: models are found in whatever shape the list has, and by whatever name a client gives them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.protocol.catalogue import Catalogue, Model

AUTO = Model(key="auto", name="Auto", is_default=True, sees=True, max_input_tokens=180_000)
KIMI = Model(key="kmodel", name="Kimi-K2.6", reasons=True, sees=True, max_input_tokens=180_000)
CODER = Model(key="dashscope_qwen3_coder", name="Qwen3-Coder")


def listed(model: Model) -> dict[str, Any]:
    """The item by which Lingma lists a model."""
    return {
        "key": model.key,
        "displayName": model.name,
        "format": "openai",
        "source": "system",
        "isReasoning": model.reasons,
        "isVl": model.sees,
        "isDefault": model.is_default,
        "url": "",
        "apiKey": "",
        "model": "",
        "maxInputTokens": model.max_input_tokens or 0,
    }


keys = st.text(st.characters(categories=["Ll", "Nd"]) | st.just("_"), min_size=1, max_size=8)
models = st.builds(
    Model,
    key=keys,
    name=keys,
    is_default=st.booleans(),
    reasons=st.booleans(),
    sees=st.booleans(),
    max_input_tokens=st.none() | st.integers(1, 10**6),
)
scenes = st.dictionaries(st.sampled_from(["assistant", "chat", "developer", "inline"]), st.lists(models, max_size=4))
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["key", "id", "name", "chat", "models", "maxInputTokens", "isDefault"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


def test_the_usual_shape_is_read_with_every_field() -> None:
    """A map of scenes to lists of items."""
    result = {"chat": [listed(AUTO), listed(KIMI)], "inline": [listed(CODER)]}
    assert Catalogue.read(result).models == (AUTO, KIMI, CODER)


def test_the_models_of_the_chat_scene_come_first() -> None:
    """They are what the gateway asks for, so clients see them first; the rest keeps Lingma's order."""
    result = {"assistant": [listed(CODER), listed(KIMI)], "chat": [listed(KIMI), listed(AUTO)]}
    assert Catalogue.read(result).models == (KIMI, AUTO, CODER)


def test_a_key_in_several_scenes_is_one_model() -> None:
    """The first one stands, which is that of the chat scene."""
    other = {**listed(AUTO), "displayName": "Auto of another scene", "isDefault": False}
    assert Catalogue.read({"assistant": [other], "chat": [listed(AUTO)]}).models == (AUTO,)


@pytest.mark.parametrize("key_field", ["key", "id", "modelId"])
@pytest.mark.parametrize("name_field", ["displayName", "name", "label", "title"])
def test_older_field_names_are_read(key_field: str, name_field: str) -> None:
    """Builds differ in what they call a model's key and name."""
    result = {"chat": [{key_field: " kmodel ", name_field: " Kimi "}]}
    assert Catalogue.read(result).models == (Model(key="kmodel", name="Kimi"),)


def test_a_model_without_a_name_is_called_by_its_key() -> None:
    """An empty display name is none."""
    assert Catalogue.read({"chat": [{"key": "kmodel", "displayName": " "}]}).models == (Model("kmodel", "kmodel"),)


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_field_leaves_the_word_to_an_older_one(empty: str) -> None:
    """Lingma fills fields that it does not use with empty strings."""
    item = {"key": empty, "id": empty, "modelId": "kmodel", "displayName": empty, "name": "Kimi"}
    assert Catalogue.read([item]).models == (Model("kmodel", "Kimi"),)


@pytest.mark.parametrize(
    "result",
    [
        {"models": {"chat": [listed(AUTO)]}},
        {"data": {"list": [{"id": "scene-1", "name": "Chat", "models": [listed(AUTO)]}]}},
        [listed(AUTO)],
        {"id": "reply-1", "success": True, "chat": {"first": listed(AUTO)}},
    ],
)
def test_models_are_found_however_the_list_is_nested(result: object) -> None:
    """A container that has an id of its own is not taken for a model."""
    assert Catalogue.read(result).models == (AUTO,)


@pytest.mark.parametrize("result", [{}, [], None, "auto", 7, True, {"chat": None}, {"chat": [None, 1, "auto", []]}])
def test_nothing_gives_an_empty_catalogue(result: object) -> None:
    """`{}` is the answer to one who is not logged in."""
    assert Catalogue.read(result) == Catalogue()


@pytest.mark.parametrize("tokens", [0, -1, True, "180000", 1.5, None, 1e300, float("inf")])
def test_a_limit_that_is_no_count_is_unknown(tokens: object) -> None:
    """Nobody should be told a limit that Lingma did not state."""
    assert Catalogue.read([{"key": "a", "maxInputTokens": tokens}]).models[0].max_input_tokens is None


def test_number_of_tokens_may_have_a_point() -> None:
    """180000.0 is 180000; a client that asks for the model's size is not told that nobody knows."""
    assert Catalogue.read([{"key": "a", "maxInputTokens": 180000.0}]).models[0].max_input_tokens == 180_000


@given(junk)
def test_no_result_raises(result: object) -> None:
    """Whatever comes, each key is there once and none is blank."""
    found = [model.key for model in Catalogue.read(result).models]
    assert len(set(found)) == len(found)
    assert all(key.strip() for key in found)


def test_a_result_nested_without_end_is_given_up() -> None:
    """The walk is bounded, so no result can exhaust the stack."""
    result: list[object] = [listed(AUTO)]
    for _ in range(100_000):
        result = [result]
    assert Catalogue.read(result).models == ()


@given(scenes)
def test_every_listed_model_is_in_the_catalogue_once(listing: dict[str, list[Model]]) -> None:
    """Read in the order chat scene, then the others as they come, each key by its first item."""
    result = {scene: [listed(model) for model in members] for scene, members in listing.items()}
    expected: dict[str, Model] = {}
    for model in [*listing.get("chat", []), *(model for members in listing.values() for model in members)]:
        expected.setdefault(model.key, model)
    assert Catalogue.read(result).models == tuple(expected.values())


# --- finding the one that is meant -----------------------------------------------------------------------------------

CATALOGUE = Catalogue((AUTO, Model(key="org_auto", name="Auto"), KIMI, CODER))


@pytest.mark.parametrize(
    "requested",
    ["kmodel", "KModel", "kimi-k2.6", "Kimi-K2.6", " kmodel ", "lingma/kmodel", "openai/lingma/Kimi-K2.6", "a/ kmodel"],
)
def test_a_model_is_found_by_key_or_name(requested: str) -> None:
    """In any case, with blanks round it and providers in front of it."""
    assert CATALOGUE.find(requested) == KIMI
    assert CATALOGUE.resolve(requested, "auto") == "kmodel"


def test_the_first_of_two_with_one_name_is_meant() -> None:
    """A name that is no key is looked up in the catalogue's order."""
    assert CATALOGUE.find("AUTO") == AUTO


def test_a_key_goes_before_a_name() -> None:
    """A key means its model although an earlier one has it for a name, and the exact key before another case of it."""
    upper, lower, named = Model("Plus", "1"), Model("plus", "2"), Model("x", "plus")
    catalogue = Catalogue((named, upper, lower))
    assert [catalogue.find(wanted) for wanted in ("plus", "Plus", "PLUS")] == [lower, upper, upper]


def test_a_key_that_holds_a_slash_is_taken_whole_first() -> None:
    """Only what is not known as it stands loses its provider."""
    whole, part = Model("team/auto", "1"), Model("auto", "2")
    assert Catalogue((part, whole)).find("team/auto") == whole


@pytest.mark.parametrize("requested", ["", " ", "/", "gpt-4o", "lingma/", "kmodel/"])
def test_what_is_not_known_is_the_default(requested: str) -> None:
    """A client's fixed idea of a model's name is no reason to refuse it."""
    assert CATALOGUE.find(requested) is None
    assert CATALOGUE.resolve(requested, "org_auto") == "org_auto"


def test_the_default_may_be_a_name() -> None:
    """Lingma is asked with a key, also where the operator wrote what people call the model."""
    assert CATALOGUE.resolve("gpt-4o", "qwen3-coder") == "dashscope_qwen3_coder"


def test_a_default_that_is_not_listed_is_asked_for_as_it_is() -> None:
    """Such as before the list is known."""
    assert Catalogue().resolve("kmodel", "org_auto") == "org_auto"


@given(st.lists(models, max_size=5), st.text(max_size=10), st.text(max_size=10))
def test_only_a_listed_key_or_the_default_is_asked_for(members: list[Model], requested: str, default: str) -> None:
    """And every listed key resolves to itself."""
    catalogue = Catalogue.read([listed(model) for model in members])
    found = [model.key for model in catalogue.models]
    assert catalogue.resolve(requested, default) in [*found, default]
    assert [catalogue.resolve(key, default) for key in found] == found


@pytest.mark.parametrize(
    ("told", "sees"), [({}, True), ({"isVl": None}, True), ({"isVl": True}, True), ({"isVl": False}, False)]
)
def test_a_model_of_which_nothing_is_told_may_see(told: dict[str, object], sees: bool) -> None:
    """Older builds say nothing of pictures: their models are given the chance."""
    assert Catalogue.read([{"key": "kmodel", **told}]).models[0].sees is sees
