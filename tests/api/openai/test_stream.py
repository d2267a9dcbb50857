"""The bytes of a streamed answer: what every client relies on, for any answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.openai.chunks import KEEPALIVE
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import FinishReason, TextDelta, TextReplaced, ThoughtDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingma_trio.api.encoder import Encoder

Event = TextDelta | ThoughtDelta | TextReplaced

USAGE = Usage(prompt_tokens=7, answer_tokens=5, thought_tokens=2)
TEXT = st.text(max_size=8) | st.sampled_from(
    ["\n\n", "data: [DONE]\n\n", "\u2028", "\u0085", '"}', "\r", "你好", "\U0001f600"]
)
DELTAS = TEXT.map(TextDelta) | TEXT.map(ThoughtDelta)
REASONS = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])


def stream(*, include_usage: bool = False) -> ChatStream:
    """Return a stream with fixed facts."""
    return ChatStream(id="chatcmpl-1", model="org_auto", created=1_700_000_000, include_usage=include_usage)


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


def payloads(data: bytes) -> list[str]:
    """Split a stream as a Unicode-aware client does, allowing nothing but `data:` events of one line."""
    lines = data.decode().splitlines()
    assert all(line == "" for line in lines[1::2])
    assert all(line.startswith("data: ") for line in lines[::2])
    return [line.removeprefix("data: ") for line in lines[::2]]


def chunks(data: bytes) -> list[dict[str, Any]]:
    """Return the chunks of a complete stream, having checked that `[DONE]` ends it and stands nowhere else."""
    *events, last = payloads(data)
    assert last == "[DONE]"
    assert "[DONE]" not in events
    return [json.loads(event) for event in events]


def fold(received: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put chunks together as a client does, into the object that an answer without a stream would be."""
    message: dict[str, Any] = {"refusal": None}
    reason, usage = None, None
    for chunk in received:
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            for name, value in choice["delta"].items():
                message[name] = message.get(name, "") + value
            reason = choice["finish_reason"] or reason
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    facts = {name: received[0][name] for name in ("id", "created", "model")}
    return {**facts, "object": "chat.completion", "choices": [choice], "usage": usage}


def whole(events: Sequence[Event], *, reason: FinishReason = "stop", include_usage: bool = False) -> bytes:
    """Return the stream of a complete answer."""
    encoder = stream(include_usage=include_usage)
    return drive(encoder, events) + encoder.finish(reason, USAGE)


@given(st.lists(DELTAS), REASONS)
def test_a_stream_put_together_is_the_body(events: list[Event], reason: FinishReason) -> None:
    """Streamed or not, a client ends up with the same answer."""
    body = ChatBody(id="chatcmpl-1", model="org_auto", created=1_700_000_000)
    assert drive(body, events) == b""
    received = chunks(whole(events, reason=reason, include_usage=True))
    assert fold(received) == json.loads(body.finish(reason, USAGE))


@given(st.lists(DELTAS | TEXT.map(TextReplaced)), REASONS, st.booleans())
def test_every_stream_has_the_order_that_clients_rely_on(
    events: list[Event], reason: FinishReason, include_usage: bool
) -> None:
    """One role chunk first, deltas of text or reasoning, one finish reason at the end, the same facts throughout."""
    received = chunks(whole(events, reason=reason, include_usage=include_usage))
    assert {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in received} == {
        ("chatcmpl-1", 1_700_000_000, "org_auto", "chat.completion.chunk")
    }
    answer = received[:-1] if include_usage else received
    choices = [choice for chunk in answer for choice in chunk["choices"]]
    assert len(choices) == len(answer)
    first, *between, last = choices
    assert first["delta"] == {"role": "assistant", "content": ""}
    assert all(list(choice["delta"]) in (["content"], ["reasoning_content"]) for choice in between)
    assert all(choice["finish_reason"] is None for choice in [first, *between])
    assert (last["delta"], last["finish_reason"]) == ({}, reason)
    assert all((choice["index"], choice["logprobs"]) == (0, None) for choice in choices)


@given(st.lists(DELTAS | TEXT.map(TextReplaced)))
def test_usage_comes_once_and_only_when_asked_for(events: list[Event]) -> None:
    """Asked for, usage is null in each chunk but the last, which has no choices; else no chunk mentions it."""
    *others, last = chunks(whole(events, include_usage=True))
    assert all("usage" in chunk and chunk["usage"] is None for chunk in others)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 12
    assert all("usage" not in chunk and chunk["choices"] for chunk in chunks(whole(events)))


@given(st.lists(DELTAS | TEXT.map(TextReplaced)))
def test_a_replaced_text_follows_the_old_one_after_a_blank_line(events: list[Event]) -> None:
    """What was sent stands, and what replaces it follows whole; with nothing sent it is just text."""
    expected = ""
    for event in events:
        if isinstance(event, TextReplaced):
            expected += ("\n\n" if expected else "") + event.text
        elif isinstance(event, TextDelta):
            expected += event.text
    assert fold(chunks(whole(events)))["choices"][0]["message"]["content"] == expected


@given(st.lists(DELTAS), st.booleans())
def test_the_official_client_accepts_every_chunk(events: list[Event], include_usage: bool) -> None:
    """Each chunk is valid, strictly, under the official client's own types."""
    for payload in payloads(whole(events, include_usage=include_usage))[:-1]:
        ChatCompletionChunk.model_validate_json(payload, strict=True)


@given(st.lists(DELTAS), st.booleans())
def test_a_failed_stream_never_looks_finished(events: list[Event], include_usage: bool) -> None:
    """The fault comes last, in the four-key envelope, with neither a finish reason nor `[DONE]` anywhere."""
    encoder = stream(include_usage=include_usage)
    data = encoder.start() + drive(encoder, events) + encoder.fail(ChannelLost("Lingma went\u2028away", param="p"))
    *before, last = [json.loads(payload) for payload in payloads(data)]
    assert last == {
        "error": {"message": "Lingma went\u2028away", "type": "server_error", "param": "p", "code": "upstream_lost"}
    }
    assert all(choice["finish_reason"] is None for chunk in before for choice in chunk["choices"])


def test_a_golden_stream() -> None:
    """The bytes of a short answer, to the last one."""
    head = (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"org_auto","choices":['
    )
    tail = b',"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
    assert whole([ThoughtDelta("hm"), TextDelta("a\n你")], include_usage=True) == (
        head + b'{"index":0,"delta":{"role":"assistant","content":""}' + tail
        + head + b'{"index":0,"delta":{"reasoning_content":"hm"}' + tail
        + head + b'{"index":0,"delta":{"content":"a\\n' + "你".encode() + b'"}' + tail
        + head + b'{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}\n\n'
        + head + b'],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,'
        b'"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":2}}}\n\n'
        + b"data: [DONE]\n\n"
    )  # fmt: skip


def test_the_role_goes_out_once_whoever_is_first() -> None:
    """`start` sends the role ahead of everything, and nothing after it sends it again."""
    encoder = stream()
    data = encoder.start() + encoder.text("a") + encoder.finish("stop", USAGE)
    assert data == whole([TextDelta("a")])
    assert data.count(b'"role"') == 1


@pytest.mark.parametrize("event", [TextDelta(""), ThoughtDelta(""), TextReplaced("")])
def test_nothing_is_sent_for_nothing(event: Event) -> None:
    """An empty delta makes no chunk and does not start the stream."""
    encoder = stream()
    assert drive(encoder, [event]) == b""
    assert not encoder.started


def test_started_says_whether_bytes_are_out() -> None:
    """It turns true with the first bytes, since from then on a fault has to go in-band."""
    encoder = stream()
    assert not encoder.started
    assert encoder.thought("a")
    assert encoder.started


def test_facts_that_utf8_cannot_hold_are_replaced() -> None:
    """A model's name with a lone surrogate still gives chunks that can be sent."""
    encoder = ChatStream(id="\ud800", model="m\udfff", created=1)
    (chunk,) = [json.loads(payload) for payload in payloads(encoder.start())]
    assert (chunk["id"], chunk["model"]) == ("?", "m?")


def test_the_keepalive_is_a_comment() -> None:
    """It has no field, so that no client takes it for an event."""
    assert KEEPALIVE.startswith(b":")
    assert KEEPALIVE.endswith(b"\n\n")
    assert KEEPALIVE.count(b"\n") == 2
