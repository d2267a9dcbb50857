"""An answer in one piece."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.ollama.body import AnswerBody
from lingma_trio.turns import TextDelta, TextReplaced, ThoughtDelta, ToolCall
from tests.api.ollama.answers import REPLACEMENTS, USAGE, drive, figures, line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lingma_trio.turns import AnswerEvent


def body(events: Sequence[AnswerEvent], *, hidden: bool = False) -> bytes:
    """The whole answer that these events make."""
    encoder = AnswerBody(line(), figures(), hidden=hidden)
    assert drive(encoder, events) == b""
    return encoder.finish("stop", USAGE)


def test_an_answer_holds_what_ollama_s_does() -> None:
    """Text, reasoning and calls stand in the message, the figures beside it."""
    events: list[AnswerEvent] = [
        ThoughtDelta("Hm."),
        TextDelta("I "),
        TextDelta("look."),
        ToolCall("c1", "look", '{"at": "\\ud83d\\ude00"}'),
    ]
    told = json.loads(body(events))
    assert told["message"] == {
        "role": "assistant",
        "content": "I look.",
        "thinking": "Hm.",
        "tool_calls": [{"id": "c1", "function": {"index": 0, "name": "look", "arguments": {"at": "😀"}}}],
    }
    assert (told["model"], told["created_at"]) == ("qwen:latest", "2023-11-14T22:13:20Z")
    assert (told["done"], told["done_reason"]) == (True, "stop")
    assert (told["prompt_eval_count"], told["eval_count"]) == (7, 5)


def test_reasoning_can_be_left_out() -> None:
    """A client that wants none of it is given none."""
    assert json.loads(body([ThoughtDelta("Hm."), TextDelta("Hi.")], hidden=True))["message"] == {
        "role": "assistant",
        "content": "Hi.",
    }


@given(REPLACEMENTS)
def test_what_replaces_the_text_is_the_text(events: list[TextDelta | TextReplaced]) -> None:
    """Nothing is out before the end, so nothing of the old text is."""
    said = ""
    for event in events:
        said = event.text if isinstance(event, TextReplaced) else said + event.text
    assert json.loads(body(events))["message"]["content"] == said


def test_nothing_follows_the_end() -> None:
    """A body is handed out once."""
    encoder = AnswerBody(line(), figures(), hidden=False)
    encoder.finish("stop", USAGE)
    late: tuple[Callable[[], bytes], ...] = (
        lambda: encoder.text("x"),
        lambda: encoder.thought("x"),
        lambda: encoder.replaced("x"),
        lambda: encoder.call(ToolCall("1", "look", "{}")),
        lambda: encoder.finish("stop", USAGE),
    )
    for each in late:
        with pytest.raises(EncoderError):
            each()
