"""Tools and formats in OpenAI's fields, newer and older."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.api.openai.tools import read_tools
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool, Toolbox

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
F: dict[str, Any] = {"name": "f", "description": "Does.", "parameters": SCHEMA}
G: dict[str, Any] = {"name": "g"}
TOOLS = [{"type": "function", "function": F}, {"type": "function", "function": G}]
BOTH = (Tool("f", "Does.", SCHEMA), Tool("g", "", {"type": "object", "properties": {}}))
NAMED = {"type": "function", "function": {"name": "g"}}


def allowed(mode: str, *names: str) -> dict[str, Any]:
    """A choice among some tools."""
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


@pytest.mark.parametrize(
    ("fields", "toolbox"),
    [
        ({}, None),
        ({"tools": [], "tool_choice": "auto"}, None),
        ({"tool_choice": {"type": "function"}}, None),
        ({"tools": TOOLS}, Toolbox(BOTH)),
        ({"tools": TOOLS, "parallel_tool_calls": None}, Toolbox(BOTH)),
        ({"tools": TOOLS, "parallel_tool_calls": False}, Toolbox(BOTH, parallel=False)),
        ({"tools": TOOLS, "tool_choice": "none"}, Toolbox(BOTH, "none")),
        ({"tools": TOOLS, "tool_choice": "required"}, Toolbox(BOTH, "required")),
        ({"tools": TOOLS, "tool_choice": NAMED}, Toolbox(BOTH, "required", "g")),
        ({"tools": TOOLS, "tool_choice": allowed("auto", "g")}, Toolbox(BOTH[1:])),
        ({"tools": TOOLS, "tool_choice": allowed("required", "g")}, Toolbox(BOTH[1:], "required")),
        ({"functions": [F, G]}, Toolbox(BOTH, parallel=False)),
        ({"functions": [F, G], "function_call": "none"}, Toolbox(BOTH, "none", parallel=False)),
        ({"functions": [F, G], "function_call": {"name": "f"}}, Toolbox(BOTH, "required", "f", parallel=False)),
    ],
)
def test_tools_and_their_use_are_read(fields: dict[str, Any], toolbox: Toolbox | None) -> None:
    """In the newer fields and in the older ones, which allow one call."""
    read = read_tools(fields)
    assert read.toolbox == toolbox
    assert read.legacy == ("functions" in fields)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ({}, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, AnswerFormat()),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, AnswerFormat(SCHEMA, "n")),
    ],
)
def test_format_is_read(given: object, expected: AnswerFormat | None) -> None:
    """Text is no format."""
    assert read_tools({"response_format": given}).answer_format == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [None]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"function": {"name": "a", "description": 1}}]}, "tools[0].function.description"),
        ({"tools": [*TOOLS, {"function": {"name": "h", "parameters": []}}]}, "tools[2].function.parameters"),
        ({"tools": [*TOOLS, *TOOLS]}, "tools"),
        ({"functions": [{"name": ""}]}, "functions[0].name"),
        ({"functions": [F, F]}, "functions"),
        ({"tools": TOOLS, "tool_choice": "any"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "h"}}}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": allowed("none", "g")}, "tool_choice.allowed_tools.mode"),
        ({"tools": TOOLS, "tool_choice": allowed("auto")}, "tool_choice.allowed_tools.tools"),
        ({"tools": TOOLS, "tool_choice": allowed("auto", "h")}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [F], "function_call": {"name": "h"}}, "function_call"),
        ({"functions": [F], "function_call": {}}, ""),
        ({"tools": TOOLS, "parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}},
            "response_format.json_schema.schema",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(fields: dict[str, Any], param: str) -> None:
    """Each with the path of the field; an empty choice is none."""
    if not param:
        assert read_tools(fields).toolbox is not None
        return
    with pytest.raises(InvalidRequest) as caught:
        read_tools(fields)
    assert caught.value.param == param
