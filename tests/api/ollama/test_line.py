"""One line of an answer."""

from __future__ import annotations

from lingma_trio.api.ollama.line import OPEN, called, moment
from lingma_trio.turns import ToolCall
from tests.api.ollama.answers import line


def test_a_line_holds_what_there_is() -> None:
    """Reasoning and calls stand in it only where there are any."""
    common = b'{"model":"qwen:latest","created_at":"2023-11-14T22:13:20Z",'
    assert line().write("Hi.", OPEN) == common + b'"message":{"role":"assistant","content":"Hi."},"done":false}'
    assert line("text").write("Hi.", OPEN) == common + b'"response":"Hi.","done":false}'
    assert line("text").write("", OPEN, thinking="Hm.") == common + b'"response":"","thinking":"Hm.","done":false}'
    assert b'"content":"","tool_calls":[1]},"done":false}' in line().write("", OPEN, calls=b"[1]")


def test_calls_are_numbered_from_where_they_stand() -> None:
    """None are nothing."""
    assert called([]) == b""
    call = ToolCall("c", "look", '{"a": [1, 2]}')
    assert called([call], first=3) == (b'[{"id":"c","function":{"index":3,"name":"look","arguments":{"a":[1,2]}}}]')


def test_a_moment_is_in_utc() -> None:
    """Whatever the machine's own time is."""
    assert moment(0) == "1970-01-01T00:00:00Z"
