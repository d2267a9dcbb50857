"""The events of a streamed answer: what every client relies on, for any answer."""

from __future__ import annotations

import json
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lingma_trio.api.anthropic.answer_blocks import SIGNATURE
from lingma_trio.api.anthropic.body import MessageBody
from lingma_trio.api.anthropic.stream import KEEPALIVE, MessageStream
from lingma_trio.api.encoder import EncoderError
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import FinishReason, TextDelta, TextReplaced, ThoughtDelta, ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lingma_trio.api.encoder import Encoder

Event = TextDelta | ThoughtDelta | TextReplaced | ToolCall

USAGE = Usage(prompt_tokens=7, answer_tokens=5, thought_tokens=2)
CALL = ToolCall("call_1", "look", '{"at":[1]}')
TEXT = st.text(max_size=8) | st.sampled_from(
    ["\n\n", "event: error\n\n", "\u2028", "\u0085", '"}', "\r", "你好", "\U0001f600", "%d"]
)
INPUTS = st.dictionaries(
    TEXT, st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT, max_size=2), max_size=3
)
CALLS = st.builds(ToolCall, TEXT, TEXT, INPUTS.map(json.dumps))
DELTAS = TEXT.map(TextDelta) | TEXT.map(ThoughtDelta) | CALLS
EVENTS = st.lists(DELTAS | TEXT.map(TextReplaced))
REASONS = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])
OFFICIAL: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def stream(*, thinking: bool = True) -> MessageStream:
    """Return a stream with fixed facts."""
    return MessageStream(id="msg_1", model="claude", prompt_tokens=7, thinking=thinking)


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
            case ToolCall():
                sent += encoder.call(event)
    return sent


def whole(events: Sequence[Event], *, reason: FinishReason = "stop", stop: str = "", thinking: bool = True) -> bytes:
    """Return the stream of a complete answer."""
    encoder = stream(thinking=thinking)
    return drive(encoder, events) + encoder.finish(reason, USAGE, stop_sequence=stop)


def decode(data: bytes) -> Iterator[dict[str, Any]]:
    """Split a stream as a Unicode-aware client does: a name, a line of data, a blank line, and nothing else."""
    lines = data.decode().splitlines()
    assert len(lines) % 3 == 0
    for name, payload, blank in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        assert blank == ""
        event: dict[str, Any] = json.loads(payload.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        yield event


def assemble(data: bytes) -> dict[str, Any]:
    """Put a complete stream together as a client does, checking the order on the way."""
    first, *between, last_delta, last = decode(data)
    assert (first["type"], last_delta["type"], last) == ("message_start", "message_delta", {"type": "message_stop"})
    message: dict[str, Any] = first["message"]
    assert (message["content"], message["stop_reason"]) == ([], None)
    blocks = iter(between)
    for index in count():
        opening = next(blocks, None)
        if opening is None:
            break
        assert (opening["type"], opening["index"]) == ("content_block_start", index)
        message["content"].append(_block(opening["content_block"], index, blocks))
    return {**message, **last_delta["delta"], "usage": {**message["usage"], **last_delta["usage"]}}


def _block(block: dict[str, Any], index: int, events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """Take the deltas of one block up to its end."""
    given_input = ""
    for event in events:
        assert event["index"] == index
        if event["type"] == "content_block_stop":
            break
        assert event["type"] == "content_block_delta"
        match event["delta"]:
            case {"type": "text_delta", "text": text}:
                block["text"] += text
            case {"type": "thinking_delta", "thinking": text}:
                block["thinking"] += text
            case {"type": "signature_delta", "signature": signature}:
                block["signature"] += signature
            case {"type": "input_json_delta", "partial_json": text}:
                given_input += text
            case other:
                pytest.fail(f"a delta of no kind: {other}")
    else:
        pytest.fail("a block that does not end")
    return {**block, "input": json.loads(given_input)} if block["type"] == "tool_use" else block


@given(st.lists(DELTAS), REASONS, st.sampled_from(["", "END"]), st.booleans())
def test_a_stream_put_together_is_the_body(
    events: list[Event], reason: FinishReason, stop: str, thinking: bool
) -> None:
    """Streamed or not, a client ends up with the same answer; and the order is checked on the way."""
    body = MessageBody(id="msg_1", model="claude", thinking=thinking)
    assert drive(body, events) == b""
    assert assemble(whole(events, reason=reason, stop=stop, thinking=thinking)) == json.loads(
        body.finish(reason, USAGE, stop_sequence=stop)
    )


@given(EVENTS, REASONS, st.booleans())
def test_the_official_client_accepts_every_event(events: list[Event], reason: FinishReason, thinking: bool) -> None:
    """Each event is valid, strictly, under the official client's own types."""
    for event in decode(whole(events, reason=reason, thinking=thinking)):
        OFFICIAL.validate_json(json.dumps(event), strict=True)


@given(EVENTS)
def test_blocks_hold_something_and_change_their_kind(events: list[Event]) -> None:
    """No block of text or reasoning is empty, and none follows one of its own kind: that would be one block."""
    content = assemble(whole(events))["content"]
    assert all(block.get("text", block.get("thinking", "a call")) for block in content)
    kinds = [block["type"] for block in content]
    assert not [(one, two) for one, two in pairwise(kinds) if one == two != "tool_use"]
    assert all(block["signature"] == SIGNATURE for block in content if block["type"] == "thinking")


@given(EVENTS)
def test_a_replaced_text_follows_the_old_one_after_a_blank_line(events: list[Event]) -> None:
    """What was sent stands, and what replaces it follows whole; with nothing sent it is just text."""
    expected = ""
    for event in events:
        if isinstance(event, TextReplaced):
            expected += ("\n\n" if expected else "") + event.text
        elif isinstance(event, TextDelta):
            expected += event.text
    content = assemble(whole(events))["content"]
    assert "".join(block["text"] for block in content if block["type"] == "text") == expected


@given(EVENTS)
def test_reasoning_that_is_not_shown_leaves_no_trace(events: list[Event]) -> None:
    """Who did not ask for reasoning is given the stream of an answer without any."""
    without = [event for event in events if not isinstance(event, ThoughtDelta)]
    assert whole(events, thinking=False) == whole(without, thinking=False)


@given(EVENTS)
def test_a_failed_stream_never_looks_finished(events: list[Event]) -> None:
    """The fault comes last, in Anthropic's envelope, and neither a stop reason nor the end stands anywhere."""
    encoder = stream()
    data = encoder.start() + drive(encoder, events) + encoder.fail(ChannelLost("Lingma went\u2028away"))
    *before, last = decode(data)
    assert last == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": "Lingma went\u2028away",
            "details": {"error_code": "upstream_lost"},
        },
    }
    assert not {"message_delta", "message_stop"} & {event["type"] for event in before}
    assert MessageStream.fails_whole


def test_a_golden_stream() -> None:
    """The bytes of a short answer, to the last one."""
    counts = b'"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":'
    block = b'event: content_block_start\ndata: {"type":"content_block_start","index":'
    delta = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":'
    stop = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":'
    assert whole([ThoughtDelta("hm"), TextDelta("a\n你"), TextDelta("b"), CALL], reason="tool_calls") == (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
        b'"role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,'
        b'"usage":{"input_tokens":7,' + counts + b'0,"output_tokens_details":{"thinking_tokens":0}}}}\n\n'
        + block + b'0,"content_block":{"type":"thinking","thinking":"","signature":""}}\n\n'
        + delta + b'0,"delta":{"type":"thinking_delta","thinking":"hm"}}\n\n'
        + delta + b'0,"delta":{"type":"signature_delta","signature":"' + SIGNATURE.encode() + b'"}}\n\n'
        + stop + b"0}\n\n"
        + block + b'1,"content_block":{"type":"text","text":""}}\n\n'
        + delta + b'1,"delta":{"type":"text_delta","text":"a\\n' + "你".encode() + b'"}}\n\n'
        + delta + b'1,"delta":{"type":"text_delta","text":"b"}}\n\n'
        + stop + b"1}\n\n"
        + block + b'2,"content_block":{"type":"tool_use","id":"call_1","name":"look","input":{}}}\n\n'
        + delta + b'2,"delta":{"type":"input_json_delta","partial_json":"{\\"at\\":[1]}"}}\n\n'
        + stop + b"2}\n\n"
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use",'
        b'"stop_sequence":null},"usage":{"input_tokens":7,' + counts
        + b'5,"output_tokens_details":{"thinking_tokens":2}}}\n\n'
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )  # fmt: skip


def test_a_keepalive_is_an_event_of_its_own() -> None:
    """What is sent into a silence is Anthropic's ping, whole."""
    assert [event["type"] for event in decode(KEEPALIVE)] == ["ping"]
    assert MessageStream.keepalive == KEEPALIVE


def test_start_sends_the_first_event_once() -> None:
    """The first event can be sent ahead of everything, and then does not come again."""
    encoder = stream()
    assert not encoder.started
    (first,) = decode(encoder.start())
    assert (first["type"], encoder.started) == ("message_start", True)
    with pytest.raises(EncoderError):
        encoder.start()
    assert next(event["type"] for event in decode(encoder.text("a"))) == "content_block_start"


def test_nothing_starts_a_stream_but_something_to_send() -> None:
    """Empty deltas, and reasoning that is not shown, leave a fault its own status."""
    encoder = stream(thinking=False)
    assert encoder.text("") == encoder.thought("") == encoder.thought("hm") == b""
    assert not encoder.started
    with pytest.raises(EncoderError):
        encoder.fail(ChannelLost("lost"))
