"""The bytes of a streamed completion: what every client relies on, for any answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion

from lingma_trio.api.completions.body import CompletionBody
from lingma_trio.api.completions.stream import CompletionStream
from lingma_trio.api.encoder import EncoderError
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import FinishReason, TextDelta, TextReplaced, ThoughtDelta, ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingma_trio.api.encoder import Encoder

Event = TextDelta | ThoughtDelta | TextReplaced

USAGE = Usage(prompt_tokens=7, answer_tokens=5, thought_tokens=2)
TEXT = st.text(max_size=8) | st.sampled_from(["\n\n", "data: [DONE]\n\n", "\u2028", "\u0085", '"}', "\r", "你好"])
DELTAS = TEXT.map(TextDelta) | TEXT.map(ThoughtDelta)
REASONS = st.sampled_from(["stop", "length", "content_filter"])


def stream(*, echo: str = "", include_usage: bool = False) -> CompletionStream:
    """Return a stream with fixed facts."""
    return CompletionStream(id="cmpl-1", model="org_auto", created=1, echo=echo, include_usage=include_usage)


def drive(encoder: Encoder, events: Sequence[Event]) -> bytes:
    """Feed events to an encoder and return what it gave."""
    sent = b""
    for event in events:
        match event:
            case TextDelta(text):
                sent += encoder.text(text)
            case ThoughtDelta(text):
                sent += encoder.thought(text)
            case TextReplaced(text):
                sent += encoder.replaced(text)
    return sent


def chunks(data: bytes) -> list[dict[str, Any]]:
    """Return the chunks of a complete stream, having checked that `[DONE]` ends it and stands nowhere else."""
    lines = data.decode().splitlines()
    assert all(line == "" for line in lines[1::2])
    *events, last = [line.removeprefix("data: ") for line in lines[::2]]
    assert last == "[DONE]"
    return [json.loads(event) for event in events]


@given(st.lists(DELTAS), REASONS, TEXT)
def test_a_stream_put_together_is_the_body(events: list[Event], reason: FinishReason, echo: str) -> None:
    """Streamed or not, a client ends up with the same completion, each chunk of which the official client accepts."""
    body = CompletionBody(id="cmpl-1", model="org_auto", created=1, echo=echo)
    assert drive(body, events) == b""
    expected = json.loads(body.finish(reason, USAGE))
    encoder = stream(echo=echo, include_usage=True)
    *received, last = chunks(drive(encoder, events) + encoder.finish(reason, USAGE))
    choices = [choice for chunk in received for choice in chunk["choices"]]
    text = "".join(choice["text"] for choice in choices)
    assert {**expected["choices"][0], "text": text} == expected["choices"][0]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + [reason]
    assert (last["choices"], last["usage"]) == ([], expected["usage"])
    assert all(chunk["usage"] is None for chunk in received)
    Completion.model_validate(expected, strict=True)
    Completion.model_validate(last, strict=True)


@given(st.lists(TEXT.map(TextDelta) | TEXT.map(TextReplaced)))
def test_a_replaced_text_follows_the_old_one_after_a_blank_line(events: list[Event]) -> None:
    """What was sent stands, and what replaces it follows whole; with nothing sent it is just text."""
    expected = ""
    for event in events:
        assert not isinstance(event, ThoughtDelta)
        replaces = isinstance(event, TextReplaced) and expected
        expected += ("\n\n" if replaces else "") + event.text
    encoder = stream()
    received = chunks(drive(encoder, events) + encoder.finish("stop", USAGE))
    assert "".join(chunk["choices"][0]["text"] for chunk in received) == expected
    assert all("usage" not in chunk for chunk in received)


@given(st.lists(DELTAS))
def test_a_failed_stream_never_looks_finished(events: list[Event]) -> None:
    """The fault comes last, in the four-key envelope, with neither a finish reason nor `[DONE]`."""
    encoder = stream()
    data = encoder.start() + drive(encoder, events) + encoder.fail(ChannelLost("Lingma went away"))
    *before, last = [json.loads(block.removeprefix(b"data: ")) for block in data.split(b"\n\n")[:-1]]
    assert last["error"]["code"] == "upstream_lost"
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in before)


def test_a_golden_stream() -> None:
    """The bytes of a short completion with its echo, to the last one."""
    head = (
        b'data: {"id":"cmpl-1","object":"text_completion","created":1,"model":"org_auto","choices":[{"index":0,"text":'
    )
    encoder = stream(echo="a")
    assert encoder.text("b") + encoder.finish("stop", USAGE) == (
        head + b'"a","logprobs":null,"finish_reason":null}]}\n\n'
        + head + b'"b","logprobs":null,"finish_reason":null}]}\n\n'
        + head + b'"","logprobs":null,"finish_reason":"stop"}]}\n\n'
        + b"data: [DONE]\n\n"
    )  # fmt: skip


def test_a_call_is_a_bug() -> None:
    """A completion declares no tools."""
    with pytest.raises(EncoderError):
        stream().call(ToolCall("c", "look", "{}"))
