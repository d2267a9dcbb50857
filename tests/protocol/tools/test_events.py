"""What Lingma says of a tool call is found in every shape that builds give it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingma_trio.protocol.tools.events import (
    ELSEWHERE,
    UNSUPPORTED,
    ToolSight,
    approve_params,
    invoke_result,
    read_sight,
)

SIGHT = ToolSight("call_1", "read_file", {"file_path": "/a"}, "pending")
FLAT = {"toolCallId": "call_1", "name": "read_file", "parameters": {"file_path": "/a"}, "toolCallStatus": "PENDING"}


@pytest.mark.parametrize(
    "params",
    [
        FLAT,
        {"toolCall": FLAT},
        {"tool_call": {"id": "call_1", "toolName": "read_file", "input": {"file_path": "/a"}, "status": "pending"}},
        {
            "tool": {"tool_call_id": "call_1", "tool_name": "read_file", "args": {"file_path": "/a"}},
            "status": "Pending",
        },
        {"data": {"toolCall": FLAT}},
        {"data": FLAT},
        {
            "toolCallId": "call_1",
            "toolCallStatus": "pending",
            "results": [7, {"name": "read_file", "input": FLAT["parameters"]}],
        },
        {**FLAT, "parameters": {}, "arguments": '{"file_path":"/a"}'},
        {
            "toolCallId": "call_1",
            "title": "read_file",
            "kind": "read",
            "rawInput": {"file_path": "/a"},
            "status": "pending",
        },
    ],
)
def test_every_shape_is_read(params: dict[str, Any]) -> None:
    """The call's id, its name, its arguments and where it stands."""
    assert read_sight(params) == SIGHT


@pytest.mark.parametrize(
    ("params", "arguments"),
    [({}, None), ({"parameters": {}}, {}), ({"parameters": "text"}, None), ({"parameters": "[1]"}, None)],
)
def test_arguments_are_an_object_or_unknown(params: dict[str, Any], arguments: object) -> None:
    """An empty object is known to be empty."""
    assert read_sight(params).arguments == arguments


def test_a_string_of_results_is_tolerated() -> None:
    """One document has it so."""
    assert read_sight({**FLAT, "results": ""}) == SIGHT


def test_answers_name_the_call() -> None:
    """In the fields of the protocol reference."""
    assert approve_params("r", "s", "c", approval=True)["approval"] is True
    assert invoke_result("c", "n", elsewhere=False)["errorMessage"] == "tool not support yet"


names = st.sampled_from(
    ["toolCallId", "id", "name", "title", "parameters", "input", "status", "toolCall", "data", "results"]
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60)
@given(params=st.dictionaries(names, junk, max_size=5))
def test_reading_never_raises(params: dict[str, Any]) -> None:
    """Junk says nothing, or something of the right type."""
    sight = read_sight(params)
    assert isinstance(sight.name, str)
    assert sight.arguments is None or isinstance(sight.arguments, dict)


def test_what_lingma_is_told_of_a_call_is_whole() -> None:
    """All members are there, whoever has the tool: some builds wait for ever where one is lacking."""
    times = {"startTime": 0, "timeConsuming": 0}
    named = {"toolCallId": "c", "name": "n"}
    assert invoke_result("c", "n", elsewhere=True) == {
        **named, "success": True, "errorMessage": "", "result": {"content": ELSEWHERE}, **times,
    }  # fmt: skip
    assert invoke_result("c", "n", elsewhere=False) == {
        **named, "success": False, "errorMessage": UNSUPPORTED, "result": {}, **times,
    }  # fmt: skip
    for approval in (True, False):
        assert approve_params("r", "s", "c", approval=approval) == {
            "type": "tool_call", "sessionId": "s", "requestId": "r", "toolCallId": "c", "approval": approval,
        }  # fmt: skip


def test_what_is_not_said_is_empty() -> None:
    """Nothing is made up for a push that says nothing of a call."""
    assert read_sight({}) == ToolSight("", "", None, "")
    assert ToolSight() == ToolSight("", "", None, "")


def test_arguments_that_hold_no_numbers_of_json_are_none() -> None:
    """What is no JSON is not made a call's arguments, and letters that are no text spoil nothing."""
    assert read_sight({"toolCallId": "c", "arguments": '{"a":NaN}'}).arguments is None
    assert read_sight({"toolCallId": "c", "arguments": '{"a":"\udc80"}'}).arguments == {"a": "?"}
