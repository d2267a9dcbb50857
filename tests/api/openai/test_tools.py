"""Tools and formats in OpenAI's fields, newer and older."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import to_json

from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.openai.asked import ChatCompletionRequest
from lingma_trio.api.openai.tools import ToolSettings, read_tools
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool, Toolbox

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
F: dict[str, Any] = {"name": "f", "description": "Does.", "parameters": SCHEMA}
G: dict[str, Any] = {"name": "g"}
TOOLS = [{"type": "function", "function": F}, {"type": "function", "function": G}]
BOTH = (Tool("f", "Does.", SCHEMA), Tool("g", "", {"type": "object", "properties": {}}))
NAMED = {"type": "function", "function": {"name": "g"}}


def read(fields: dict[str, Any]) -> ToolSettings:
    """The tools of a request that has these fields."""
    return read_tools(read_as(ChatCompletionRequest, to_json(fields)))


def allowed(mode: str, *names: str) -> dict[str, Any]:
    """A choice among some tools."""
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


@pytest.mark.parametrize(
    ("fields", "toolbox"),
    [
        ({}, None),
        ({"tools": [], "tool_choice": "auto"}, None),
        ({"tools": [{"type": "web_search"}], "tool_choice": "none"}, None),
        ({"web_search_options": {}, "tool_choice": "none"}, None),
        ({"tools": TOOLS}, Toolbox(BOTH)),
        ({"tools": TOOLS, "parallel_tool_calls": None}, Toolbox(BOTH)),
        ({"tools": TOOLS, "parallel_tool_calls": False}, Toolbox(BOTH, parallel=False)),
        ({"tools": TOOLS, "tool_choice": "none"}, Toolbox(BOTH, "none")),
        ({"tools": TOOLS, "tool_choice": "required"}, Toolbox(BOTH, "required")),
        ({"tools": TOOLS, "tool_choice": "any"}, Toolbox(BOTH, "required")),
        ({"tools": TOOLS, "tool_choice": {"type": "any"}}, Toolbox(BOTH, "required")),
        ({"tools": TOOLS, "tool_choice": {"type": "auto"}}, Toolbox(BOTH)),
        (
            {"tools": TOOLS, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            Toolbox(BOTH, parallel=False),
        ),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "name": "g"}}, Toolbox(BOTH, "required", "g")),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "g"}}, Toolbox(BOTH, "required", "g")),
        ({"tools": [{"type": "function", **F}, {"name": "g", "input_schema": None}]}, Toolbox(BOTH)),
        ({"tools": [{"name": "f", "description": "Does.", "input_schema": SCHEMA}, G]}, Toolbox(BOTH)),
        ({"tools": [*TOOLS, {"type": "web_search"}]}, Toolbox(BOTH, absent=("web search",))),
        ({"tools": TOOLS, "web_search_options": {}}, Toolbox(BOTH, absent=("web search",))),
        ({"tools": TOOLS, "tool_choice": NAMED}, Toolbox(BOTH, "required", "g")),
        ({"tools": TOOLS, "tool_choice": allowed("auto", "g")}, Toolbox(BOTH[1:])),
        ({"tools": TOOLS, "tool_choice": allowed("required", "g")}, Toolbox(BOTH[1:], "required")),
        (
            {"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [G]}},
            Toolbox(BOTH[1:], "required"),
        ),
        ({"functions": [F, G], "tool_choice": "none"}, Toolbox(BOTH, "none", parallel=False)),
        ({"functions": [F, G]}, Toolbox(BOTH, parallel=False)),
        ({"functions": [F, G], "function_call": "none"}, Toolbox(BOTH, "none", parallel=False)),
        ({"functions": [F, G], "function_call": {"name": "f"}}, Toolbox(BOTH, "required", "f", parallel=False)),
    ],
)
def test_tools_and_their_use_are_read(fields: dict[str, Any], toolbox: Toolbox | None) -> None:
    """In the newer fields and in the older ones, which allow one call."""
    settings = read(fields)
    assert settings.toolbox == toolbox
    assert settings.legacy == ("functions" in fields)


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
    assert read({"response_format": given}).answer_format == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [None]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [{"type": "not_invented_yet"}]}, "tools[0].type"),
        ({"tools": TOOLS, "tool_choice": {"type": "web_search_preview"}}, "tool_choice"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"tools": [{"type": "custom"}]}, "tools[0].custom"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].custom.name"),
        ({"tools": [{"name": "f", "input_schema": []}]}, "tools[0].input_schema"),
        ({"tools": TOOLS, "tool_choice": {"type": "custom", "custom": {"name": "h"}}}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"function": {"name": "a", "description": 1}}]}, "tools[0].function.description"),
        ({"tools": [*TOOLS, {"function": {"name": "h", "parameters": []}}]}, "tools[2].function.parameters"),
        ({"tools": [*TOOLS, *TOOLS]}, "tools"),
        ({"functions": [{"name": ""}]}, "functions[0].name"),
        ({"functions": [F, F]}, "functions"),
        ({"tools": TOOLS, "tool_choice": "some"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": NAMED}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "function", "name": ""}}, "tool_choice.name"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"tool_choice": allowed("auto", "g")}, "tool_choice"),
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
        assert read(fields).toolbox is not None
        return
    with pytest.raises(InvalidRequest) as caught:
        read(fields)
    assert caught.value.param == param


@pytest.mark.parametrize("deeper", [True, False])
def test_a_custom_tool_takes_a_text(deeper: bool) -> None:
    """In the form of chat completions and of responses; the model sees a function of one argument."""
    grammar = {"syntax": "lark", "definition": "start: a"}
    described = {
        "name": "patch",
        "description": "Patches.",
        "format": {"type": "grammar", **({"grammar": grammar} if deeper else grammar)},
    }
    settings = read({"tools": [{"type": "custom", **({"custom": described} if deeper else described)}]})
    assert settings.custom == {"patch"}
    assert settings.toolbox is not None
    (tool,) = settings.toolbox.tools
    assert tool.parameters["required"] == ["input"]
    assert tool.description == "Patches.\n\nThe input has to match this lark grammar:\nstart: a"
