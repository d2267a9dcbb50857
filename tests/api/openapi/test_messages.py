"""The description of messages is what the parser reads and the encoders write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import from_json

from lingma_trio.api.anthropic.body import MessageBody
from lingma_trio.api.anthropic.envelope import error_body
from lingma_trio.api.anthropic.stream import KEEPALIVE, MessageStream
from lingma_trio.api.anthropic.usage import count_body
from lingma_trio.api.openapi.messages import (
    Message,
    MessageEvent,
    MessagesError,
    TokenCount,
)
from lingma_trio.errors import ChannelLost, InvalidRequest
from lingma_trio.turns import ToolCall, Usage

if TYPE_CHECKING:
    from lingma_trio.api.encoder import Encoder


def play(encoder: Encoder) -> bytes:
    """One answer with everything in it."""
    said = [
        encoder.thought("Well."),
        encoder.text("Hello."),
        encoder.call(ToolCall("call_1", "look", "{}")),
        encoder.finish("tool_calls", Usage(3, 5, 2)),
    ]
    return b"".join(said)


def test_an_answer_is_as_described() -> None:
    """A whole answer has the described fields, and they have all been seen."""
    answer = from_json(play(MessageBody(id="msg_1", model="org_auto", thinking=True)))
    described = Message.model_validate(answer)
    assert described.model_fields_set == set(Message.model_fields)
    assert [block.type for block in described.content] == ["thinking", "text", "tool_use"]
    assert described.usage.model_fields_set == set(type(described.usage).model_fields)


def test_each_event_is_as_described() -> None:
    """Each event of a stream, of one that fails, and of a silence has described fields and no others."""
    good = play(MessageStream(id="msg_1", model="org_auto", prompt_tokens=3, thinking=True))
    failing = MessageStream(id="msg_1", model="org_auto", prompt_tokens=3, thinking=True)
    bad = failing.start() + failing.fail(ChannelLost("lost"))
    events = [event.partition(b"data: ")[2] for event in (KEEPALIVE + good + bad).split(b"\n\n") if event]
    seen = [MessageEvent.model_validate(from_json(event)) for event in events]
    assert {name for event in seen for name in event.model_fields_set} == set(MessageEvent.model_fields)


def test_counts_and_faults_are_as_described() -> None:
    """What else is answered has the described fields, all of them and no others."""
    assert TokenCount.model_validate(from_json(count_body(5))).input_tokens == 5
    fault = MessagesError.model_validate(from_json(error_body(InvalidRequest("m"), "req_1")))
    assert fault.model_fields_set == set(MessagesError.model_fields)
