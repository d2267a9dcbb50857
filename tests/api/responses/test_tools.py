"""Tools of the Responses API: which of them the model is told of, and how each is called by its client."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import to_json

from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.responses.asked import ResponseRequest as Asked
from lingma_trio.api.responses.tools import Spelling, ToolSettings, read_tools
from lingma_trio.errors import InvalidRequest

LOOK = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}
PATCH = {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: a"}}


def asked(fields: dict[str, Any]) -> Asked:
    """A request that has these fields, as it was read."""
    return read_as(Asked, to_json({"input": "", **fields}))


def read(fields: dict[str, Any]) -> ToolSettings:
    """The tools of a request that has these fields."""
    return read_tools(asked(fields))


def names(settings: ToolSettings) -> list[str]:
    """The names under which the model knows the tools."""
    return [] if settings.toolbox is None else [tool.name for tool in settings.toolbox.tools]


def test_functions_custom_tools_and_those_of_a_namespace_are_declared() -> None:
    """Each has a name that the model can use, and the client's own spelling beside it."""
    team = {"type": "namespace", "name": "team", "tools": [LOOK, PATCH]}
    settings = read({"tools": [LOOK, PATCH, team]})
    assert settings.spellings == {
        "look": Spelling("function", "look"),
        "patch": Spelling("custom", "patch"),
        "team__look": Spelling("function", "look", "team"),
        "team__patch": Spelling("custom", "patch", "team"),
    }
    assert names(settings) == list(settings.spellings)


def test_a_custom_tool_takes_one_text_and_its_grammar_is_described() -> None:
    """The model is told what the text has to look like."""
    toolbox = read({"tools": [PATCH]}).toolbox
    assert toolbox is not None
    (tool,) = toolbox.tools
    assert tool.parameters["required"] == ["input"]
    assert "lark grammar:\nstart: a" in tool.description


def test_a_function_as_chat_completions_have_it_is_read_too() -> None:
    """Some clients put its fields one level deeper."""
    deeper = {"type": "function", "function": {"name": "look"}}
    settings = read({"tools": [deeper], "tool_choice": {"type": "function", "function": {"name": "look"}}})
    assert settings.toolbox is not None
    assert (names(settings), settings.toolbox.named) == (["look"], "look")


HOSTED = [
    {"type": "web_search", "external_web_access": True},
    {"type": "file_search", "vector_store_ids": []},
    {"type": "mcp", "server_label": "a"},
    {"type": "shell", "environment": {"type": "container_auto"}},
    {"type": "tool_search"},
]


def test_of_tools_that_openai_would_run_the_model_is_told_that_there_are_none() -> None:
    """Nor is there a shell in a container; the client's own tools are declared beside them."""
    settings = read({"tools": [*HOSTED, LOOK]})
    assert names(settings) == ["look"]
    assert settings.toolbox is not None
    absent = ("web search", "search in uploaded files", "tools of MCP servers", "shell", "tool_search")
    assert settings.toolbox.absent == absent


@pytest.mark.parametrize(
    ("fields", "param", "kind"),
    [
        ({"tools": HOSTED}, "tools", "web_search"),
        ({"tools": HOSTED, "tool_choice": "required"}, "tools", "web_search"),
        ({"tools": [*HOSTED, LOOK], "tool_choice": {"type": "mcp"}}, "tool_choice", "mcp"),
        (
            {"tools": [LOOK], "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [HOSTED[1]]}},
            "tool_choice",
            "file_search",
        ),
        ({"tools": [LOOK], "tool_choice": {"type": ""}}, "tool_choice", "of that name"),
        ({"tools": [LOOK, {"type": "not_invented_yet"}]}, "tools[1].type", "not_invented_yet"),
    ],
)
def test_what_only_such_a_tool_could_answer_is_refused_by_its_name(
    fields: dict[str, Any], param: str, kind: str
) -> None:
    """Alone, forced, or unknown: nothing is made up in its place."""
    with pytest.raises(InvalidRequest, match=kind) as caught:
        read(fields)
    assert caught.value.param == param


def test_tools_that_items_bring_are_declared_too() -> None:
    """Beside those of the request or without any; the later declaration of a name is the one that counts."""
    better = {**LOOK, "description": "Looks twice."}
    team = {"type": "namespace", "name": "team", "tools": [LOOK]}
    added: list[tuple[str, Any]] = [("input[0].tools", [LOOK, team]), ("input[2].tools", [better])]
    for fields in ({}, {"tools": [LOOK]}):
        settings = read_tools(asked(fields), added=added)
        assert settings.toolbox is not None
        assert [(tool.name, tool.description) for tool in settings.toolbox.tools] == [
            ("look", "Looks twice."),
            ("team__look", "Looks."),
        ]
    with pytest.raises(InvalidRequest) as caught:
        read_tools(asked({}), added=[("input[3].tools", [7])])
    assert caught.value.param == "input[3].tools[0]"


def test_a_deferred_tool_counts_once_a_search_has_found_it() -> None:
    """The client's search is declared as a function of that name."""
    deferred = {**LOOK, "defer_loading": True}
    search = {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}}
    declared = asked({"tools": [search, deferred]})
    settings = read_tools(declared)
    assert names(settings) == ["tool_search"]
    assert settings.spellings["tool_search"] == Spelling("tool_search", "tool_search")
    assert names(read_tools(declared, added=[("input[1].tools", [deferred])])) == ["tool_search", "look"]


@pytest.mark.parametrize("kind", ["local_shell", "shell", "apply_patch"])
def test_what_the_client_runs_itself_is_declared(kind: str) -> None:
    """A shell and a patch tool have no parameters of their own, so the gateway gives them some."""
    settings = read({"tools": [{"type": kind}], "tool_choice": {"type": kind}})
    assert settings.toolbox is not None
    assert (names(settings), settings.toolbox.named) == ([kind], kind)
    assert settings.toolbox.tools[0].parameters["required"]


def test_a_choice_is_one_of_the_words_or_a_tool() -> None:
    """A named tool has to be called; allowed ones are the only ones there are."""
    fields: dict[str, Any] = {"tools": [LOOK, PATCH]}
    for word in ("auto", "none", "required"):
        toolbox = read({**fields, "tool_choice": word}).toolbox
        assert toolbox is not None
        assert toolbox.choice == word
    named = read({**fields, "tool_choice": {"type": "custom", "name": "patch"}}).toolbox
    assert named is not None
    assert (named.choice, named.named) == ("required", "patch")
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]}
    settings = read({**fields, "tool_choice": allowed})
    assert settings.toolbox is not None
    assert (names(settings), settings.toolbox.choice) == (["look"], "required")


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "name": "other"},
        {"type": "function"},
        {"type": "allowed_tools", "mode": "always", "tools": [{"type": "function", "name": "look"}]},
        {"type": "allowed_tools", "tools": []},
        {
            "type": "allowed_tools",
            "tools": [{"type": "function", "name": "look"}, {"type": "function", "name": "gone"}],
        },
    ],
)
def test_a_choice_that_is_none_is_refused(choice: dict[str, Any]) -> None:
    """The fault is somewhere in `tool_choice`."""
    with pytest.raises(InvalidRequest) as caught:
        read({"tools": [LOOK], "tool_choice": choice})
    assert (caught.value.param or "").startswith("tool_choice")


def test_other_tools_are_another_configuration() -> None:
    """The order of keys is not; without tools and format there is none."""
    same = dict(reversed(LOOK.items()))
    assert read({"tools": [LOOK]}).configuration == read({"tools": [same]}).configuration
    assert read({"tools": [LOOK]}).configuration != read({"tools": [PATCH]}).configuration
    assert read({"text": {"verbosity": "low"}}).configuration == ""
    assert read({"text": {"format": {"type": "json_object"}}}).configuration


def test_a_deferred_tool_is_declared_where_no_client_searches() -> None:
    """OpenAI's own search would have found it, and there is none here."""
    deferred = {**LOOK, "defer_loading": True}
    team = {"type": "namespace", "name": "team", "tools": [deferred]}
    for search in ([], [{"type": "tool_search"}]):
        assert names(read_tools(asked({"tools": [*search, deferred, team]}))) == ["look", "team__look"]


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_a_choice_among_hosted_tools_alone_is_refused(mode: str) -> None:
    """It allows none of the client's own, and must not be read as allowing all of them."""
    choice = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "web_search"}]}
    with pytest.raises(InvalidRequest, match="web_search") as caught:
        read_tools(asked({"tools": [LOOK, {"type": "web_search"}], "tool_choice": choice}))
    assert caught.value.param == "tool_choice"


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "name": "look"},
        {"type": "allowed_tools", "tools": [{"type": "function", "name": "look"}]},
        "required",
    ],
)
def test_a_choice_without_tools_is_refused(choice: str | dict[str, Any]) -> None:
    """What has to be called, or may be, is declared nowhere."""
    with pytest.raises(InvalidRequest) as caught:
        read({"tool_choice": choice})
    assert caught.value.param == "tool_choice"


def test_hosted_tools_that_must_not_be_used_are_served() -> None:
    """Where no tool may be called there is nothing that is lacking."""
    assert read({"tools": [{"type": "web_search"}], "tool_choice": "none"}).toolbox is None
