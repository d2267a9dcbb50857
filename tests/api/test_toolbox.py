"""Tools and formats that clients declare: what is taken, what is refused, and which field is named."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.api.toolbox import (
    MAX_LISTED,
    MAX_SCHEMA_SIZE,
    MAX_TOOLS,
    MAX_TOOLS_SIZE,
    answer_format,
    configuration,
    declared_tool,
    listed_tools,
    read_format,
    toolbox,
)
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool, Toolbox

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}


def tool(name: str, parameters: object = None) -> Tool:
    """A tool as the first of a request declares it."""
    return declared_tool(name, "", parameters, param="tools[0].name", schema_param="tools[0].parameters")


@pytest.mark.parametrize("name", ["f", "get_weather", "mcp__files__read-file", "a.b:c/d", "f" * 128])
def test_tool_is_taken_as_it_is_declared(name: str) -> None:
    """Names as clients and their servers give them."""
    assert tool(name, SCHEMA) == Tool(name, "", SCHEMA)


def test_tool_without_a_schema_takes_no_arguments() -> None:
    """An object without properties describes them."""
    assert tool("now").parameters == {"type": "object", "properties": {}}


@pytest.mark.parametrize("name", ["", " f", "f g", "f\n", 'f"', "工具", "f" * 129])
def test_name_that_cannot_be_called_is_refused(name: str) -> None:
    """It would have to be quoted and guessed at."""
    with pytest.raises(InvalidRequest) as caught:
        tool(name)
    assert caught.value.param == "tools[0].name"


@pytest.mark.parametrize("schema", [[], "object", True, {"type": "string"}])
def test_schema_has_to_be_an_objects(schema: object) -> None:
    """Arguments are an object."""
    with pytest.raises(InvalidRequest) as caught:
        tool("f", schema)
    assert caught.value.param == "tools[0].parameters"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": None, "required": None},
        {"type": ["object"]},
        {"type": None},
        {"properties": {"a": {"pattern": "*.txt"}, "b": {"$ref": "#anchor"}, "c": {"type": "file"}}},
        {"properties": 1},
    ],
)
def test_schema_that_cannot_be_judged_by_is_taken(schema: dict[str, Any]) -> None:
    """As other servers take it: the model reads it all the same."""
    assert tool("f", schema).parameters == schema


def test_list_of_tools_has_a_bound() -> None:
    """Before any of them is read."""
    assert listed_tools(None, param="tools") == []
    assert len(listed_tools([0] * MAX_LISTED, param="tools")) == MAX_LISTED
    refused: list[object] = [[0] * (MAX_LISTED + 1), {}]
    for value in refused:
        with pytest.raises(InvalidRequest) as caught:
            listed_tools(value, param="tools")
        assert caught.value.param == "tools"


def test_configuration_is_what_counts_of_tools_and_format() -> None:
    """The order of keys does not, the use of the tools does; without either there is none."""
    box, same = (
        toolbox([tool("f", SCHEMA)], param="tools"),
        toolbox([tool("f", dict(reversed(SCHEMA.items())))], param=""),
    )
    assert configuration(box, None) == configuration(same, None) != ""
    assert configuration(toolbox([tool("f", SCHEMA)], param="tools", named="f"), None) != configuration(box, None)
    assert configuration(None, AnswerFormat(SCHEMA)) != configuration(None, AnswerFormat()) != ""
    assert configuration(None, None) == ""


def test_toolbox_says_how_its_tools_may_be_used() -> None:
    """A named tool has to be called; without tools there is no toolbox."""
    tools = (tool("f"), tool("g"))
    assert toolbox(tools, param="tools") == Toolbox(tools)
    assert toolbox(tools, param="tools", choice="none") == Toolbox(tools, "none")
    assert toolbox(tools, param="tools", named="g", parallel=False) == Toolbox(tools, "required", "g", parallel=False)
    assert toolbox((), param="tools") is None
    assert toolbox((), param="tools", choice="none") is None


@pytest.mark.parametrize(
    ("tools", "options", "param"),
    [
        ([tool("f"), tool("f")], {}, "tools"),
        ([tool(f"f{at}") for at in range(MAX_TOOLS + 1)], {}, "tools"),
        ([Tool("f", "x" * MAX_TOOLS_SIZE, {})], {}, "tools"),
        ([Tool("f", "", {"enum": ["x" * MAX_TOOLS_SIZE]})], {}, "tools"),
        ([tool("f")], {"named": "g"}, "tool_choice"),
        ([], {"named": "g"}, "tool_choice"),
        ([], {"choice": "required"}, "tool_choice"),
    ],
)
def test_toolbox_that_cannot_be_is_refused(tools: list[Tool], options: dict[str, Any], param: str) -> None:
    """Alike, too many, too large, or asked for and not there."""
    with pytest.raises(InvalidRequest) as caught:
        toolbox(tools, param="tools", **options)
    assert caught.value.param == param


def test_format_is_any_object_or_a_schema() -> None:
    """With the name the client gave it."""
    assert answer_format(None, param="format") == AnswerFormat()
    assert answer_format(SCHEMA, param="format", name="place") == AnswerFormat(SCHEMA, "place")
    assert answer_format({"type": "array"}, param="format") == AnswerFormat({"type": "array"})


@pytest.mark.parametrize("schema", [1, True, {"enum": ["x" * MAX_SCHEMA_SIZE]}])
def test_format_that_cannot_be_kept_is_refused(schema: object) -> None:
    """No object, or one too large."""
    with pytest.raises(InvalidRequest) as caught:
        answer_format(schema, param="format")
    assert caught.value.param == "format"


@pytest.mark.parametrize(
    ("given", "inner", "found"),
    [
        ({}, "", None),
        ({"type": "text"}, "json_schema", None),
        ({"type": "json_object"}, "", AnswerFormat()),
        ({"type": "json_schema", "name": "x", "schema": SCHEMA}, "", AnswerFormat(SCHEMA, "x")),
        (
            {"type": "json_schema", "name": "x", "schema": SCHEMA, "description": "d"},
            "",
            AnswerFormat({"description": "d", **SCHEMA}, "x"),
        ),
        (
            {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True},
            "",
            AnswerFormat(SCHEMA, "x", strict=True),
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
            "json_schema",
            AnswerFormat(SCHEMA, "x"),
        ),
    ],
)
def test_format_in_both_places(given: dict[str, object], inner: str, found: AnswerFormat | None) -> None:
    """Chat completions keep name and schema one level deeper than responses do."""
    assert read_format(given, param="format", inner=inner) == found


@pytest.mark.parametrize(
    ("given", "inner", "param"),
    [
        ({"type": "xml"}, "", "format.type"),
        ({"type": "json_schema"}, "", "format.schema"),
        ({"type": "json_schema"}, "json_schema", "format.json_schema"),
        ({"type": "json_schema", "json_schema": {"name": 1}}, "json_schema", "format.json_schema.name"),
    ],
)
def test_format_that_is_none_is_refused(given: dict[str, object], inner: str, param: str) -> None:
    """The fault names the field at the depth it has."""
    with pytest.raises(InvalidRequest) as caught:
        read_format(given, param="format", inner=inner)
    assert caught.value.param == param
