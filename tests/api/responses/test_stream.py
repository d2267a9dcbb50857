"""The events of a streamed response: what every client relies on, for any answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from lingma_trio.api.responses.body import ResponseBody
from lingma_trio.api.responses.response import ResponseObject
from lingma_trio.api.responses.stream import KEEPALIVE, ResponseStream
from lingma_trio.api.responses.tools import Spelling
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import FinishReason, TextDelta, TextReplaced, ThoughtDelta, ToolCall, Usage
from tests.small_pieces import held_for_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingma_trio.api.encoder import Encoder

Event = TextDelta | ThoughtDelta | TextReplaced | ToolCall

USAGE = Usage(prompt_tokens=7, answer_tokens=5, thought_tokens=2)
SPELLINGS = {
    "look": Spelling("function", "look"),
    "team__ask": Spelling("function", "ask", "team"),
    "patch": Spelling("custom", "patch"),
    "local_shell": Spelling("local_shell", "local_shell"),
    "apply_patch": Spelling("apply_patch", "apply_patch"),
}
CALLS = {
    "look": '{"at":"x"}',
    "team__ask": "{}",
    "patch": '{"input":"*** Begin"}',
    "local_shell": '{"command":["ls"]}',
    "apply_patch": '{"type":"delete_file","path":"a"}',
}
TEXT = st.text(max_size=8) | st.sampled_from(
    ["\n\n", "data: x\n\n", "\u2028", "\u0085", '"}', "\r", "你好", "\U0001f600"]
)
CALL = st.sampled_from(sorted(CALLS.items()))
DELTAS = TEXT.map(TextDelta) | TEXT.map(ThoughtDelta) | CALL.map(lambda call: ToolCall("", *call))
REASONS = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])
EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


def response() -> ResponseObject:
    """Return a response with fixed facts."""
    facts: dict[str, Any] = {
        "background": False,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
    }
    return ResponseObject(id="resp_1", model="org_auto", created=1_700_000_000, facts=facts)


def stream() -> ResponseStream:
    """Return a stream with fixed facts."""
    return ResponseStream(response(), identity="1", spellings=SPELLINGS)


def drive(encoder: Encoder, events: Sequence[Event]) -> bytes:
    """Feed events to an encoder and return what it gave; each call gets an id of its own."""
    sent = b""
    for number, event in enumerate(events):
        match event:
            case TextDelta(text):
                sent += encoder.text(text)
            case ThoughtDelta(text):
                sent += encoder.thought(text)
            case TextReplaced(text):
                sent += encoder.replaced(text)
            case ToolCall(_, name, arguments):
                sent += encoder.call(ToolCall(f"call_{number}", name, arguments))
    return sent


def received(data: bytes) -> list[dict[str, Any]]:
    """Split a stream as a Unicode-aware client does; each event has its name, one line of data and a blank line."""
    lines = data.decode().splitlines()
    assert all(line == "" for line in lines[2::3])
    events = [json.loads(line.removeprefix("data: ")) for line in lines[1::3]]
    assert [line.removeprefix("event: ") for line in lines[::3]] == [event["type"] for event in events]
    return events


def whole(events: Sequence[Event], *, reason: FinishReason = "stop") -> list[dict[str, Any]]:
    """Return the events of a complete answer."""
    encoder = stream()
    return received(drive(encoder, events) + encoder.finish(reason, USAGE))


def assembled(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the output together from the fragments alone, as a client does that looks at nothing but deltas."""
    items: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "response.output_item.added":
            assert event["output_index"] == len(items)
            items.append(event["item"])
        elif event["type"] == "response.output_item.done":
            items[-1]["status"] = event["item"]["status"]
            assert event["item"] == items[-1]
        elif "item_id" in event:
            assert (event["item_id"], event["output_index"]) == (items[-1]["id"], len(items) - 1)
            grow(items[-1], event)
    return items


def grow(item: dict[str, Any], event: dict[str, Any]) -> None:
    """Add to an item what an event tells of it."""
    match event["type"]:
        case "response.content_part.added":
            assert event["content_index"] == len(item["content"])
            item["content"].append(event["part"])
        case "response.reasoning_summary_part.added":
            assert event["summary_index"] == len(item["summary"])
            item["summary"].append(event["part"])
        case "response.output_text.delta":
            item["content"][event["content_index"]]["text"] += event["delta"]
        case "response.reasoning_summary_text.delta":
            item["summary"][event["summary_index"]]["text"] += event["delta"]
        case "response.function_call_arguments.delta":
            item["arguments"] += event["delta"]
        case "response.custom_tool_call_input.delta":
            item["input"] += event["delta"]


@given(st.lists(DELTAS), REASONS)
def test_a_stream_put_together_is_the_body(events: list[Event], reason: FinishReason) -> None:
    """Streamed or not, a client ends up with the same response, and its fragments add up to its items."""
    body = ResponseBody(response(), identity="1", spellings=SPELLINGS)
    assert drive(body, events) == b""
    expected = json.loads(body.finish(reason, USAGE))
    *fragments, last = whole(events, reason=reason)
    assert last["response"] == expected
    assert assembled(fragments) == expected["output"]


@given(st.lists(DELTAS | TEXT.map(TextReplaced)), REASONS)
def test_every_stream_has_the_order_that_clients_rely_on(events: list[Event], reason: FinishReason) -> None:
    """It begins by telling of the response, its numbers rise by one, each item ends before the next, and it ends."""
    told = whole(events, reason=reason)
    kinds = [event["type"] for event in told]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    end = "response.incomplete" if reason in ("length", "content_filter") else "response.completed"
    assert [kind for kind in kinds if kind.count(".") == 1] == ["response.created", "response.in_progress", end]
    assert kinds[-1] == end
    items = [kind for kind in kinds if kind.startswith("response.output_item.")]
    assert items == ["response.output_item.added", "response.output_item.done"] * (len(items) // 2)
    ids = [event["item"]["id"] for event in told if event["type"] == "response.output_item.done"]
    assert ids
    assert ids == list(dict.fromkeys(ids))
    assert {event["response"]["id"] for event in told if "response" in event} == {"resp_1"}


@given(st.lists(DELTAS | TEXT.map(TextReplaced)), REASONS)
def test_the_official_client_accepts_every_event(events: list[Event], reason: FinishReason) -> None:
    """Each event is valid under the official client's own types, and its helper takes them all."""
    state: ResponseStreamState[object] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in whole(events, reason=reason):
        state.handle_event(EVENT.validate_python(event))


@given(st.lists(DELTAS | TEXT.map(TextReplaced)))
def test_a_failed_stream_says_so_and_ends(events: list[Event]) -> None:
    """The last event is `response.failed` with what was done until then, and nothing looks like another end."""
    encoder = stream()
    begun = encoder.start() + drive(encoder, events)
    told = received(begun + encoder.fail(ChannelLost("Lingma went\u2028away")))
    last = told[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"] == {
        "code": "server_error",
        "message": "Lingma went\u2028away",
        "param": None,
        "type": "upstream_lost",
    }
    done = [event["item"] for event in told if event["type"] == "response.output_item.done"]
    assert last["response"]["output"] == done
    assert not {"response.completed", "response.incomplete"} & {event["type"] for event in told}
    EVENT.validate_python(last)


@given(st.lists(TEXT.map(TextDelta) | TEXT.map(TextReplaced)))
def test_a_replaced_text_follows_the_old_one_after_a_blank_line(events: list[Event]) -> None:
    """What was sent stands, and what replaces it follows whole; with nothing sent it is just text."""
    expected = ""
    for event in events:
        if isinstance(event, TextReplaced):
            expected += ("\n\n" if expected else "") + event.text
        elif isinstance(event, TextDelta):
            expected += event.text
    (item,) = whole(events)[-1]["response"]["output"]
    assert item["content"][0]["text"] == expected


def test_a_golden_stream() -> None:
    """The bytes of the deltas, to the last one, and the order of events round them."""
    encoder = stream()
    assert encoder.text("a").endswith(
        b"event: response.output_text.delta\n"
        b'data: {"type":"response.output_text.delta","item_id":"msg_1_0","output_index":0,"content_index":0,'
        b'"delta":"a","logprobs":[],"sequence_number":4}\n\n'
    )
    assert encoder.text("\n你") == (
        b"event: response.output_text.delta\n"
        b'data: {"type":"response.output_text.delta","item_id":"msg_1_0","output_index":0,"content_index":0,'
        b'"delta":"\\n' + "你".encode() + b'","logprobs":[],"sequence_number":5}\n\n'
    )
    assert encoder.thought("hm").endswith(
        b"event: response.reasoning_summary_text.delta\n"
        b'data: {"type":"response.reasoning_summary_text.delta","item_id":"rs_1_1","output_index":1,"summary_index":0,'
        b'"delta":"hm","sequence_number":11}\n\n'
    )
    assert [event["type"].removeprefix("response.") for event in received(encoder.finish("stop", USAGE))] == [
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "completed",
    ]


def test_an_answer_of_nothing_is_an_empty_message() -> None:
    """There is always an item to look at."""
    (item,) = whole([])[-1]["response"]["output"]
    assert (item["type"], item["content"][0]["text"], item["status"]) == ("message", "", "completed")


def test_the_result_is_the_response_that_ends_the_stream() -> None:
    """What can be kept is what the client was given."""
    encoder = stream()
    told = received(encoder.text("a") + encoder.finish("length", USAGE))
    assert encoder.result is not None
    assert json.loads(encoder.result.json) == told[-1]["response"]
    assert Response.model_validate_json(encoder.result.json).incomplete_details is not None


@pytest.mark.parametrize("event", [TextDelta(""), ThoughtDelta(""), TextReplaced("")])
def test_nothing_is_sent_for_nothing(event: Event) -> None:
    """An empty delta makes no event and does not start the stream."""
    encoder = stream()
    assert drive(encoder, [event]) == b""
    assert not encoder.started


def test_the_keepalive_is_a_comment() -> None:
    """It has no field, so that no client takes it for an event."""
    assert KEEPALIVE == b": keep-alive\n\n"


def test_small_deltas_are_held_as_the_text_they_are() -> None:
    """For as long as a stream lives: a string for each of them would take ten times as much."""
    encoder = stream()
    encoder.text("begun")
    assert held_for_each(encoder.text) < 20
