"""The lines of a streamed answer: what every client relies on, for any answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from ollama import ChatResponse, GenerateResponse

from lingma_trio.api.ollama.body import AnswerBody
from lingma_trio.api.ollama.stream import AnswerLines
from lingma_trio.api.openapi.ollama import OllamaChat, OllamaChatPiece, OllamaText, OllamaTextPiece
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import TextDelta, ToolCall
from tests.api.ollama.answers import EVENTS, REPLACEMENTS, USAGE, Kind, drive, figures, line, lines, put_together

if TYPE_CHECKING:
    from lingma_trio.turns import AnswerEvent, TextReplaced


def stream(kind: Kind = "chat", *, hidden: bool = False) -> AnswerLines:
    """A stream with fixed facts."""
    return AnswerLines(line(kind), figures(), hidden=hidden)


@pytest.mark.parametrize("hidden", [False, True], ids=["shown", "hidden"])
@given(events=EVENTS)
def test_a_streamed_chat_put_together_is_the_body(hidden: bool, events: list[AnswerEvent]) -> None:
    """Streamed or not, a client ends up with the same answer, each line of which is as described."""
    body = AnswerBody(line(), figures(), hidden=hidden)
    assert drive(body, events) == b""
    encoder = stream(hidden=hidden)
    pieces = lines(drive(encoder, events) + encoder.finish("stop", USAGE))
    expected = json.loads(body.finish("stop", USAGE))
    assert put_together(pieces) == expected
    OllamaChat.model_validate(expected, strict=True)
    ChatResponse.model_validate(expected)
    for piece in pieces[:-1]:
        OllamaChatPiece.model_validate(piece, strict=True)
        assert any(piece["message"].get(name) for name in ("content", "thinking", "tool_calls"))


@given(REPLACEMENTS)
def test_a_streamed_text_put_together_has_all_of_it(events: list[TextDelta | TextReplaced]) -> None:
    """What was sent stands, and what replaces it follows whole behind a blank line; with nothing sent it is text."""
    encoder = stream("text")
    pieces = lines(drive(encoder, events) + encoder.finish("length", USAGE))
    said = ""
    for event in events:
        said += event.text if isinstance(event, TextDelta) or not said else f"\n\n{event.text}"
    whole = put_together(pieces)
    assert whole["response"] == said
    assert whole["done_reason"] == "length"
    OllamaText.model_validate(whole, strict=True)
    GenerateResponse.model_validate(whole)
    for piece in pieces[:-1]:
        OllamaTextPiece.model_validate(piece, strict=True)


def test_a_sign_of_life_is_a_line_without_text() -> None:
    """It may come at any time, also before anything else, and is nothing to a client that puts text together."""
    encoder = stream()
    (piece,) = lines(encoder.keepalive)
    assert (piece["message"]["content"], piece["done"]) == ("", False)
    assert not encoder.started
    pieces = lines(encoder.keepalive + encoder.text("Hi.") + encoder.keepalive + encoder.finish("stop", USAGE))
    assert put_together(pieces)["message"]["content"] == "Hi."


def test_calls_are_numbered() -> None:
    """Each call is whole, with its arguments as an object and its place among all."""
    encoder = stream()
    sent = [encoder.call(ToolCall(f"call_{at}", "look", '{\n "at": 9\n}')) for at in range(2)]
    calls = [piece["message"]["tool_calls"] for piece in lines(b"".join(sent))]
    assert calls == [
        [{"id": f"call_{at}", "function": {"index": at, "name": "look", "arguments": {"at": 9}}}] for at in range(2)
    ]


def test_a_fault_is_the_last_line() -> None:
    """It says what is wrong, and no line says that the answer is done."""
    encoder = stream()
    sent = encoder.text("Half") + encoder.fail(ChannelLost("Lingma went away"))
    assert lines(sent)[-1] == {"error": "Lingma went away"}
    assert AnswerLines.fails_whole
