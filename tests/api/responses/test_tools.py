"""Tools of the Responses API: which of them the model is told of, and how each is called by its client."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.api.responses.tools import Spelling, ToolSettings, arguments_of_custom, read_tools
from lingma_trio.errors import InvalidRequest

LOOK = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}
PATCH = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: a"}}


def names(settings: ToolSettings) -> list[str]:
    """The names under which the model knows the tools."""
    return [] if settings.toolbox is None else [tool.name for tool in settings.toolbox.tools]


def test_functions_custom_tools_and_those_of_a_namespace_are_declared() -> None:
    """Each has a name that the model can use, and the client's own spelling beside it."""
    team = {"type": "namespace", "name": "team", "tools": [LOOK, PATCH]}
    settings = read_tools({"tools": [LOOK, PATCH, team]})
    assert settings.spellings == {
        "look": Spelling("function", "look"),
        "patch": Spelling("custom", "patch"),
        "team__look": Spelling("function", "look", "team"),
        "team__patch": Spelling("custom", "patch", "team"),
    }
    assert names(settings) == list(settings.spellings)


def test_a_custom_tool_takes_one_text_and_its_grammar_is_described() -> None:
    """The model is told what the text has to look like."""
    toolbox = read_tools({"tools": [PATCH]}).toolbox
    assert toolbox is not None
    (tool,) = toolbox.tools
    assert tool.parameters["required"] == ["input"]
    assert "lark grammar:\nstart: a" in tool.description
    assert arguments_of_custom("a\n") == '{"input":"a\\n"}'


def test_a_function_as_chat_completions_have_it_is_read_too() -> None:
    """Some clients put its fields one level deeper."""
    deeper = {"type": "function", "function": {"name": "look"}}
    settings = read_tools({"tools": [deeper], "tool_choice": {"type": "function", "function": {"name": "look"}}})
    assert settings.toolbox is not None
    assert (names(settings), settings.toolbox.named) == (["look"], "look")


def test_tools_that_openai_would_run_are_left_out() -> None:
    """Nobody here runs them, nor a shell in a container."""
    hosted = [
        {"type": "web_search", "external_web_access": True},
        {"type": "file_search", "vector_store_ids": []},
        {"type": "mcp", "server_label": "a"},
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "not_invented_yet"},
    ]
    assert names(read_tools({"tools": [*hosted, LOOK]})) == ["look"]
    assert read_tools({"tools": hosted, "tool_choice": "required"}).toolbox is None
    assert read_tools({"tools": [*hosted, LOOK], "tool_choice": {"type": "web_search"}}).toolbox is not None


@pytest.mark.parametrize("kind", ["local_shell", "shell", "apply_patch"])
def test_what_the_client_runs_itself_is_declared(kind: str) -> None:
    """A shell and a patch tool have no parameters of their own, so the gateway gives them some."""
    settings = read_tools({"tools": [{"type": kind}], "tool_choice": {"type": kind}})
    assert settings.toolbox is not None
    assert (names(settings), settings.toolbox.named) == ([kind], kind)
    assert settings.toolbox.tools[0].parameters["required"]


def test_a_choice_is_one_of_the_words_or_a_tool() -> None:
    """A named tool has to be called; allowed ones are the only ones there are."""
    fields: dict[str, Any] = {"tools": [LOOK, PATCH]}
    for word in ("auto", "none", "required"):
        toolbox = read_tools({**fields, "tool_choice": word}).toolbox
        assert toolbox is not None
        assert toolbox.choice == word
    named = read_tools({**fields, "tool_choice": {"type": "custom", "name": "patch"}}).toolbox
    assert named is not None
    assert (named.choice, named.named) == ("required", "patch")
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]}
    settings = read_tools({**fields, "tool_choice": allowed})
    assert settings.toolbox is not None
    assert (names(settings), settings.toolbox.choice) == (["look"], "required")


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "name": "other"},
        {"type": "function"},
        {"type": "allowed_tools", "mode": "always", "tools": [{"type": "function", "name": "look"}]},
        {"type": "allowed_tools", "tools": []},
        {},
    ],
)
def test_a_choice_that_is_none_is_refused(choice: dict[str, Any]) -> None:
    """The fault is somewhere in `tool_choice`."""
    with pytest.raises(InvalidRequest) as caught:
        read_tools({"tools": [LOOK], "tool_choice": choice})
    assert (caught.value.param or "").startswith("tool_choice")


def test_other_tools_are_another_configuration() -> None:
    """The order of keys is not; without tools and format there is none."""
    same = dict(reversed(LOOK.items()))
    assert read_tools({"tools": [LOOK]}).configuration == read_tools({"tools": [same]}).configuration
    assert read_tools({"tools": [LOOK]}).configuration != read_tools({"tools": [PATCH]}).configuration
    assert read_tools({"text": {"verbosity": "low"}}).configuration == ""
    assert read_tools({"text": {"format": {"type": "json_object"}}}).configuration
