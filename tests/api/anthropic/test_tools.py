"""Tools and formats, as Anthropic's clients declare them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import to_json

from lingma_trio.api.anthropic import tools
from lingma_trio.api.anthropic.asked import MessagesRequest
from lingma_trio.api.anthropic.known_tools import KNOWN
from lingma_trio.api.anthropic.tools import ToolSettings
from lingma_trio.api.asked.reading import read_as
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool

SCHEMA = {"type": "object", "properties": {"at": {"type": "integer"}}}
LOOK = {"name": "look", "description": "Looks.", "input_schema": SCHEMA}
HEAR = {"name": "hear", "input_schema": {"type": "object"}}
WEB = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
LATE = {**LOOK, "name": "late", "defer_loading": True}


def read_tools(fields: dict[str, Any], *, messages: list[Any] | None = None) -> ToolSettings:
    """Read tools and format of a request that has these fields."""
    said = messages or [{"role": "user", "content": "Hi."}]
    return tools.read_tools(read_as(MessagesRequest, to_json({"messages": said, **fields})))


def read(*listed: object, messages: list[Any] | None = None, **fields: object) -> ToolSettings:
    """Read the tools and whatever stands beside them."""
    return read_tools({"tools": [*listed], **fields}, messages=messages)


def system(*blocks: object) -> dict[str, Any]:
    """A system turn."""
    return {"role": "system", "content": [*blocks]}


def change(kind: str, name: str) -> dict[str, Any]:
    """A block that adds a tool or takes one away."""
    return {"type": f"tool_{kind}", "tool": {"type": "tool_reference", "name": name}}


def names(settings: ToolSettings) -> list[str]:
    """Return the names of the tools that count."""
    return [tool.name for tool in settings.toolbox.tools] if settings.toolbox is not None else []


def test_a_tool_has_a_name_a_description_and_a_schema() -> None:
    """The client's own tools are read, whether or not they say what they are."""
    settings = read(LOOK, {**HEAR, "type": "custom"})
    assert settings.toolbox is not None
    assert settings.toolbox.tools == (Tool("look", "Looks.", SCHEMA), Tool("hear", "", {"type": "object"}))
    assert (settings.toolbox.choice, settings.toolbox.named, settings.toolbox.parallel) == ("auto", "", True)


def test_without_tools_there_is_no_toolbox() -> None:
    """No tools and null are the same."""
    nothing = ToolSettings(None, None, "")
    assert read() == read_tools({"tools": None}) == read_tools({}) == nothing


def test_beside_others_a_hosted_tool_is_told_of() -> None:
    """Promise: what Anthropic would run is no tool here, and the model is told that it does not have it."""
    settings = read(WEB, LOOK, mcp_servers=[{"type": "url", "url": "https://a", "name": "a"}])
    assert settings.toolbox is not None
    assert names(settings) == ["look"]
    assert settings.toolbox.absent == ("web search", "tools of MCP servers")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [WEB]}, "tools"),
        ({"tools": [WEB], "tool_choice": {"type": "tool", "name": "web_search"}}, "tool_choice"),
        ({"tools": [WEB, LOOK], "tool_choice": {"type": "tool", "name": "web_search"}}, "tool_choice"),
        ({"tools": [{"type": "code_execution_20260521", "name": "code_execution"}]}, "tools"),
        ({"mcp_servers": [{"type": "url", "url": "https://a", "name": "a"}]}, "mcp_servers"),
    ],
)
def test_a_hosted_tool_that_is_needed_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    """Promise: nobody is given an invented result of a search."""
    with pytest.raises(InvalidRequest) as caught:
        read_tools(fields)
    assert caught.value.param == param
    assert (
        "web_search" in caught.value.message
        or "code_execution" in caught.value.message
        or "mcp" in caught.value.message
    )


def test_a_hosted_tool_may_be_there_where_none_may_be_called() -> None:
    """A request that asks for no call is served."""
    assert read(WEB, tool_choice={"type": "none"}).toolbox is None


def test_tools_whose_schema_clients_leave_out_have_it() -> None:
    """Anthropic's own tools that run at the client are declared like any other."""
    listed = [{"type": kind, "name": f"tool_{place}"} for place, kind in enumerate(KNOWN)]
    box = read(*listed).toolbox
    assert box is not None
    assert [(tool.description, tool.parameters) for tool in box.tools] == [*KNOWN.values()]


def test_examples_are_told_with_the_description() -> None:
    """A model sees them where it reads of the tool."""
    box = read({**LOOK, "input_examples": [{"at": 7}]}).toolbox
    assert box is not None
    assert box.tools[0].description == 'Looks.\nAn example of its input: {"at":7}'


def test_where_anthropic_was_to_search_nothing_is_deferred() -> None:
    """Nobody searches the tools here, so all of them are there."""
    assert names(read({"type": "tool_search_tool_regex_20251119", "name": "search"}, LOOK, LATE)) == ["look", "late"]


def test_tools_come_and_go_within_a_conversation() -> None:
    """What holds at its end is what the model is offered."""
    said = {"role": "user", "content": "Hi."}
    assert names(read(LOOK, LATE, messages=[said, system(change("addition", "late"))])) == ["look", "late"]
    gone = [said, system(change("addition", "late"), change("removal", "look"))]
    assert names(read(LOOK, LATE, messages=gone)) == ["late"]
    assert names(read(LOOK, LATE, messages=[*gone, system(change("addition", "look"))])) == ["late", "look"]


def test_a_tool_may_be_defined_within_a_conversation() -> None:
    """It can be referred to from then on, and takes the place of one of the same name."""
    defined = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": HEAR}}
    said = {"role": "user", "content": "Hi."}
    assert names(read(LOOK, messages=[said, system(defined)])) == ["look", "hear"]
    assert names(read(LOOK, messages=[said, system(defined, change("removal", "hear"))])) == ["look"]
    other = {**defined, "tool": {"type": "tool_definition", "definition": {**LOOK, "description": "Peers."}}}
    box = read(LOOK, messages=[said, system(other)]).toolbox
    assert box is not None
    assert [tool.description for tool in box.tools] == ["Peers."]


def test_a_summary_knows_how_the_tools_had_changed() -> None:
    """Its changes are made to the request's tools, in the place of those that it sums up."""
    summed = {"type": "compaction", "content": "They met.", "tool_changes": [change("addition", "late")]}
    said = [{"role": "user", "content": "Hi."}, system(change("removal", "look"))]
    assert names(read(LOOK, LATE, messages=[*said, {"role": "assistant", "content": [summed]}])) == ["look", "late"]


@pytest.mark.parametrize("kind", ["addition", "removal"])
def test_an_unknown_tool_is_refused_by_its_reference(kind: str) -> None:
    """Promise: a tool that is to come or go, and is nowhere, is not passed over."""
    with pytest.raises(InvalidRequest) as caught:
        read(LOOK, messages=[{"role": "user", "content": "Hi."}, system(change("removal", "look"), change(kind, "x"))])
    assert caught.value.param == "messages[1].content[1].tool.name"


def test_a_deferred_tool_counts_once_it_is_referred_to() -> None:
    """A tool whose loading is deferred is declared by the result that names it, and by nothing else."""
    assert names(read(LOOK, LATE)) == ["look"]
    reference = {"type": "tool_reference", "tool_name": "late"}
    found = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "id", "content": [reference]}]}
    odd = [{"role": "user", "content": "Hi."}, {"role": "user", "content": [{"type": "tool_result", "content": "a"}]}]
    assert names(read(LOOK, LATE, messages=odd)) == ["look"]
    assert names(read(LOOK, LATE, messages=[*odd, found])) == ["look", "late"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ("auto", "", True)),
        ({"type": "auto"}, ("auto", "", True)),
        ({"type": "none"}, ("none", "", True)),
        ({"type": "any"}, ("required", "", True)),
        ({"type": "any", "disable_parallel_tool_use": True}, ("required", "", False)),
        ({"type": "auto", "disable_parallel_tool_use": True}, ("auto", "", False)),
        ({"type": "tool", "name": "hear"}, ("required", "hear", True)),
    ],
)
def test_a_choice_says_how_tools_are_used(given: object, expected: tuple[str, str, bool]) -> None:
    """Each of Anthropic's choices has its meaning, and calls side by side can be turned off in any."""
    box = read(LOOK, HEAR, tool_choice=given).toolbox
    assert box is not None
    assert (box.choice, box.named, box.parallel) == expected


def test_the_configuration_does_not_know_marks_for_caching() -> None:
    """The same tools are one configuration wherever a mark stands, and other tools another."""
    marked = read({**LOOK, "cache_control": {"type": "ephemeral"}}, WEB)
    assert marked.configuration == read(LOOK).configuration != read(HEAR).configuration
    assert read(LOOK, tool_choice={"type": "any"}).configuration != read(LOOK).configuration


@pytest.mark.parametrize(
    "fields",
    [
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "high"}},
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
    ],
)
def test_a_format_is_a_schema(fields: dict[str, Any]) -> None:
    """Structured outputs are asked for in either of Anthropic's fields, and make another configuration."""
    settings = read(**fields)
    assert settings.answer_format == AnswerFormat(SCHEMA, strict=True)
    assert settings.configuration


def test_other_ways_to_configure_the_answer_are_no_format() -> None:
    """Effort alone asks for nothing."""
    assert read(output_config={"effort": "medium"}, output_format=None) == read()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].name"),
        ({"tools": [LOOK, {**HEAR, "name": 1}]}, "tools[1].name"),
        ({"tools": [{**LOOK, "name": "no such name"}]}, "tools[0].name"),
        ({"tools": [{**LOOK, "description": 1}]}, "tools[0].description"),
        ({"tools": [{**LOOK, "input_schema": "x"}]}, "tools[0].input_schema"),
        ({"tools": [{**LOOK, "input_schema": {"type": "string"}}]}, "tools[0].input_schema"),
        ({"tools": [LOOK, LOOK]}, "tools[1]"),
        ({"tools": [LOOK, {"type": "of_the_future", "name": "a"}]}, "tools[1].type"),
        ({"tools": [LOOK], "tool_choice": "auto"}, "tool_choice"),
        ({"tools": [LOOK], "tool_choice": {"type": "all"}}, "tool_choice.type"),
        ({"tools": [LOOK], "tool_choice": {"type": []}}, "tool_choice.type"),
        ({"tools": [LOOK], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [LOOK], "tool_choice": {"type": "tool", "name": "hear"}}, "tool_choice"),
        (
            {"tools": [LOOK], "tool_choice": {"type": "any", "disable_parallel_tool_use": 1}},
            "tool_choice.disable_parallel_tool_use",
        ),
        ({"output_config": 1}, "output_config"),
        ({"output_config": {"format": 1}}, "output_config.format"),
        ({"output_config": {"format": {"type": "grammar"}}}, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"output_format": {"type": "json_schema", "schema": []}}, "output_format.schema"),
    ],
)
def test_a_fault_names_its_place(fields: dict[str, Any], param: str) -> None:
    """The path of the field at fault is the client's own."""
    with pytest.raises(InvalidRequest) as caught:
        read_tools(fields)
    assert caught.value.param == param
