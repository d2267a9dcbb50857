"""What the tests of both encoders share: one answer's facts, events made up, and a client that puts lines together.

Knows Ollama's objects; must not know what either encoder hands out when.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from hypothesis import strategies as st

from lingma_trio.api.encoder import encode_event
from lingma_trio.api.ollama.figures import Figures, Watch
from lingma_trio.api.ollama.line import CHAT, TEXT, Line
from lingma_trio.turns import TextDelta, TextReplaced, ThoughtDelta, ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingma_trio.api.encoder import Encoder
    from lingma_trio.turns import AnswerEvent

Kind = Literal["chat", "text"]
USAGE = Usage(prompt_tokens=7, answer_tokens=5, thought_tokens=2)
TEXTS = st.text(max_size=8) | st.sampled_from(["\n\n", "\u2028", "\u0085", '"}', "\r", "你好", '{"done":true}'])
CALLS = st.builds(
    ToolCall,
    st.uuids().map(str),
    st.sampled_from(["look", "go"]),
    st.dictionaries(TEXTS, TEXTS | st.integers() | st.none(), max_size=3).map(
        lambda value: json.dumps(value, indent=1)
    ),
)
EVENTS = st.lists(TEXTS.map(TextDelta) | TEXTS.map(ThoughtDelta) | CALLS)
REPLACEMENTS = st.lists(TEXTS.map(TextDelta) | TEXTS.map(TextReplaced))


def line(kind: Kind = "chat") -> Line:
    """Writes lines of that kind with fixed facts."""
    return Line(CHAT if kind == "chat" else TEXT, model="qwen:latest", created=1_700_000_000)


def figures() -> Figures:
    """Times of an answer that took none."""
    return Figures(Watch(0.0, lambda: 0.0))


def drive(encoder: Encoder, events: Sequence[AnswerEvent]) -> bytes:
    """Feed events to an encoder and return what it gave."""
    return b"".join(encode_event(encoder, event) for event in events)


def lines(data: bytes) -> list[dict[str, Any]]:
    """The objects of a stream, each of which is on a line of its own in any reading."""
    text = data.decode()
    assert text.splitlines() == text.split("\n")[:-1]
    return [json.loads(each) for each in text.splitlines()]


def put_together(pieces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a client has at the end: the last line, with all text, reasoning and calls in it."""
    *_, last = pieces
    assert [piece["done"] for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    if "message" not in last:
        whole = {**last, "response": "".join(piece["response"] for piece in pieces)}
        thinking = "".join(piece.get("thinking", "") for piece in pieces)
        return {**whole, "thinking": thinking} if thinking else whole
    messages = [piece["message"] for piece in pieces]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(each["content"] for each in messages)}
    if thinking := "".join(each.get("thinking", "") for each in messages):
        message["thinking"] = thinking
    if calls := [call for each in messages for call in each.get("tool_calls", ())]:
        message["tool_calls"] = calls
    return {**last, "message": message}
