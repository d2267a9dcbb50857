"""Tools and formats as Ollama's clients declare them."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.api.ollama.tools import read_format, read_tools
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat

SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
LOOK: Any = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": SCHEMA}}


def test_functions_are_read() -> None:
    """With or without their kind, which is always the same; no tools are no toolbox."""
    box = read_tools([LOOK, {"function": {"name": "go"}}])
    assert box is not None
    assert [(tool.name, tool.description) for tool in box.tools] == [("look", "Looks."), ("go", "")]
    assert box.tools[0].parameters == SCHEMA
    assert (box.choice, box.parallel) == ("auto", True)
    assert read_tools([]) is None


def test_a_vendor_s_tool_is_told_of_beside_others_and_refused_alone() -> None:
    """The model learns that it has none; where nothing else is asked for, there is nothing to serve."""
    box = read_tools([LOOK, {"type": "web_search"}])
    assert box is not None
    assert box.absent == ("web search",)
    with pytest.raises(InvalidRequest, match="web_search") as refused:
        read_tools([{"type": "web_search"}])
    assert refused.value.param == "tools"


def test_a_choice_is_heeded() -> None:
    """It is no field of Ollama's, and would change the answer if it were left out."""
    go = {"function": {"name": "go"}}
    for choice, kept in (("auto", ("auto", "")), ("none", ("none", "")), ("required", ("required", ""))):
        box = read_tools([LOOK, go], choice)
        assert box is not None
        assert (box.choice, box.named) == kept
    box = read_tools([LOOK, go], {"type": "function", "function": {"name": "go"}})
    assert box is not None
    assert (box.choice, box.named) == ("required", "go")
    with pytest.raises(InvalidRequest) as refused:
        read_tools([LOOK], {"type": "function", "function": {"name": "go"}})
    assert refused.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "gadget"}, "tools[1].type"),
        ({"type": 5}, "tools[1].type"),
        ({"type": "function"}, "tools[1].function"),
        ({"function": {"name": ""}}, "tools[1].function.name"),
        ({"function": {"name": "go", "parameters": []}}, "tools[1].function.parameters"),
        (LOOK, "tools"),
    ],
)
def test_a_tool_that_is_none_is_named(tool: Any, param: str) -> None:  # noqa: ANN401 - anything a client sends
    """The fault says which one and what of it."""
    with pytest.raises(InvalidRequest) as refused:
        read_tools([LOOK, tool])
    assert refused.value.param == param


def test_formats_are_read() -> None:
    """Any JSON, JSON of a schema, or any text."""
    assert read_format("json") == AnswerFormat()
    assert read_format(SCHEMA) == AnswerFormat(SCHEMA)
    assert read_format("") is read_format(None) is None
    with pytest.raises(InvalidRequest, match="json, or a JSON Schema") as refused:
        read_format("yaml")
    assert refused.value.param == "format"
