"""Tools and formats, as Anthropic's clients declare them."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.api.anthropic.tools import ToolSettings, read_tools
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool

SCHEMA = {"type": "object", "properties": {"at": {"type": "integer"}}}
LOOK = {"name": "look", "description": "Looks.", "input_schema": SCHEMA}
HEAR = {"name": "hear", "input_schema": {"type": "object"}}
WEB = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
LATE = {**LOOK, "name": "late", "defer_loading": True}


def read(*tools: object, messages: list[Any] | None = None, **fields: object) -> ToolSettings:
    """Read the tools and whatever stands beside them."""
    return read_tools({"tools": list(tools), **fields}, messages=messages or [])


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
    """No tools, null and hosted tools alone are all the same."""
    nothing = ToolSettings(None, None, "")
    assert read() == read(WEB) == read_tools({"tools": None}, messages=[]) == read_tools({}, messages=[]) == nothing


def test_hosted_tools_are_ignored() -> None:
    """What Anthropic runs, or knows the schema of, is none of the client's tools."""
    assert names(read(WEB, LOOK, {"type": "bash_20250124", "name": "bash"})) == ["look"]


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
        ({"tools": [LOOK, LOOK]}, "tools"),
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
        read_tools(fields, messages=[])
    assert caught.value.param == param
