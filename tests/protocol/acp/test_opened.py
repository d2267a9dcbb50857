"""What a session offers: models and modes in either form, and an agent is never told a name that it did not offer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.protocol.acp.opened import Choice, Choices, Opened, read_option
from lingma_trio.protocol.catalogue import Model

GEMINI = {
    "sessionId": "ab-1",
    "modes": {
        "currentModeId": "default",
        "availableModes": [
            {"id": "default", "name": "Default", "description": "Prompts for approval"},
            {"id": "plan", "name": "Plan", "description": "Read-only mode"},
        ],
    },
    "models": {
        "currentModelId": "auto",
        "availableModels": [
            {"modelId": "auto", "name": "Auto", "description": "Let the CLI decide"},
            {"modelId": "gemini-3-pro", "name": "gemini-3-pro"},
        ],
    },
}
CODEX = {
    "sessionId": "cd-2",
    "configOptions": [
        {
            "id": "mode",
            "name": "Approval Preset",
            "category": "mode",
            "type": "select",
            "currentValue": "auto",
            "options": [{"value": "read-only", "name": "Read Only"}, {"value": "auto", "name": "Default"}],
        },
        {
            "id": "llm",
            "name": "Model",
            "category": "model",
            "type": "select",
            "currentValue": "mock",
            "options": [{"value": "mock", "name": "mock"}, {"value": "gpt-x", "name": "GPT X"}],
        },
        {"id": "brave", "name": "Brave", "category": "model_config", "type": "boolean", "currentValue": False},
    ],
}


def test_the_older_form_is_read() -> None:
    """Models and modes in fields of their own, each chosen by a method of its own."""
    opened = Opened.read(GEMINI)
    assert opened.models == Choices((Choice("auto", "Auto"), Choice("gemini-3-pro", "gemini-3-pro")), "auto")
    model, mode = opened.choose("model", "gemini-3-pro"), opened.choose("mode", "plan")
    assert model is not None
    assert mode is not None
    assert (model.method, model.params) == ("session/set_model", {"sessionId": "ab-1", "modelId": "gemini-3-pro"})
    assert (mode.method, mode.params) == ("session/set_mode", {"sessionId": "ab-1", "modeId": "plan"})
    assert (model.awaited, mode.awaited) == (True, True)


def test_options_go_before_the_older_form() -> None:
    """Where an agent offers both, the options are what the protocol goes on with."""
    opened = Opened.read({**GEMINI, **CODEX})
    assert opened.models.config_id == "llm"
    model = opened.choose("model", "gpt-x")
    assert model is not None
    assert model.method == "session/set_config_option"
    assert model.params == {"sessionId": "cd-2", "configId": "llm", "value": "gpt-x"}
    only_mode = {"configOptions": CODEX["configOptions"][:1]}
    assert Opened.read({**GEMINI, **only_mode}).models.config_id == ""


def test_options_in_groups_are_read_as_one_list() -> None:
    """A select may part its options under headings."""
    groups = [
        {"group": "fast", "name": "Fast", "options": [{"value": "a", "name": "A"}, {"value": "b"}]},
        {"group": "slow", "name": "Slow", "options": [{"value": "a", "name": "again"}, {"value": "c", "name": "C"}]},
    ]
    option = {"id": "m", "category": "model", "currentValue": "c", "options": groups}
    found = read_option({"configOptions": [option]}, "model")
    assert found == Choices((Choice("a", "A"), Choice("b", "b"), Choice("c", "C")), "c", "m")


@pytest.mark.parametrize("wanted", ["", "auto", "AUTO", "Gemini-3-pro", "gpt-5", "gemini-3-pro "])
def test_what_is_in_force_or_not_offered_is_not_chosen(wanted: str) -> None:
    """An agent that takes any name would fail with it later."""
    assert Opened.read(GEMINI).choose("model", wanted) is None
    assert Opened.read({"sessionId": "S"}).choose("model", wanted) is None


def test_models_make_a_catalogue() -> None:
    """The one in force is the default, and whether pictures are seen is the agent's own word."""
    assert Opened.read(GEMINI).catalogue(sees=False).models == (
        Model("auto", "Auto", is_default=True, sees=False),
        Model("gemini-3-pro", "gemini-3-pro", sees=False),
    )


def test_an_agent_without_models_is_listed_as_one() -> None:
    """Clients want a model to choose, and the agent is never told of the one that it does not know."""
    opened = Opened.read({"sessionId": "S"})
    assert opened.catalogue(sees=True, name="x-agent").models == (Model("x-agent", "x-agent", is_default=True),)
    assert opened.choose("model", "x-agent") is None


def test_a_mode_that_is_not_offered_is_told_with_those_that_are() -> None:
    """The operator learns what to choose from."""
    opened = Opened.read(GEMINI)
    assert opened.mode_fault("") == ""
    assert opened.mode_fault("plan") == ""
    assert opened.mode_fault("yolo") == "the agent does not offer ACP_MODE=yolo; it offers default, plan"
    assert Opened.read({"sessionId": "S"}).mode_fault("plan").endswith("it offers no modes")


def test_sessions_with_both_forms_are_read() -> None:
    """Of two forms side by side the newer is taken, and what is unknown beside them is passed over."""
    opened = Opened.read(
        {
            "sessionId": "ses_1",
            "models": {"currentModelId": "local/mock", "availableModels": [{"modelId": "local/mock", "name": "Mock"}]},
            "modes": {"currentModeId": "build", "availableModes": [{"id": "build", "name": "build"}]},
            "configOptions": [
                {
                    "id": "model",
                    "name": "Model",
                    "category": "model",
                    "type": "select",
                    "currentValue": "local/mock",
                    "options": [{"value": "local/mock", "name": "Mock"}],
                }
            ],
            "_meta": {"opencode": {"variant": None}},
        }
    )
    assert opened.models == Choices((Choice("local/mock", "Mock"),), "local/mock", "model")
    assert opened.modes == Choices((Choice("build", "build"),), "build")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "value", "name", "category", "options", "configOptions", "availableModels", "models"]
            ),
            inner | st.sampled_from(["model", "mode"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_garbage_is_a_session_that_offers_what_is_left(result: Any) -> None:  # noqa: ANN401 - any JSON
    """Nothing raises, and nothing is chosen but what was offered."""
    opened = Opened.read(result)
    for choice in opened.models.offered:
        assert choice.id
        assert (opened.choose("model", choice.id) is None) == (choice.id == opened.models.current)
    assert opened.choose("mode", "never offered") is None


choices = st.builds(
    Choices,
    st.lists(
        st.builds(Choice, st.text(min_size=1), st.text(min_size=1)), min_size=1, unique_by=lambda each: each.id
    ).map(tuple),
    st.text(),
    st.text(),
)


@given(st.text(), choices | st.just(Choices()), choices | st.just(Choices()))
def test_a_session_can_be_told_on(session_id: str, models: Choices, modes: Choices) -> None:
    """Who is told of it in our words reads what we read in the agent's."""
    opened = Opened(session_id, models, modes)
    assert Opened.read(opened.body()) == opened


@pytest.mark.parametrize(
    "option", [{"id": "", "options": [{"value": "m"}]}, {"id": "model", "options": []}, {"id": "model"}, {}]
)
def test_an_option_without_a_name_or_a_choice_is_none(option: dict[str, Any]) -> None:
    """It could not be told to the agent, or there is nothing to tell."""
    assert read_option({"configOptions": [{"category": "model", **option}]}, "model") is None
