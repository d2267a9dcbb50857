"""The description of messages is what the parser reads and the encoders write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from lingma_trio.api.anthropic import request
from lingma_trio.api.anthropic.body import MessageBody
from lingma_trio.api.anthropic.envelope import error_body
from lingma_trio.api.anthropic.stream import KEEPALIVE, MessageStream
from lingma_trio.api.anthropic.usage import count_body
from lingma_trio.api.openapi.messages import (
    Message,
    MessageEvent,
    MessagesError,
    MessagesRequest,
    MessagesTool,
    Thinking,
    TokenCount,
    ToolChoice,
    Turn,
)
from lingma_trio.errors import ChannelLost, InvalidRequest
from lingma_trio.turns import ToolCall, Usage
from tests.api.openapi.readers import fields_read

if TYPE_CHECKING:
    from lingma_trio.api.encoder import Encoder

TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}, "defer_loading": False}
RICH = {
    "model": "org_auto",
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Look."}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "Seen."}]},
    ],
    "stream": True,
    "max_tokens": 5,
    "stop_sequences": ["END"],
    "thinking": {"type": "adaptive", "display": "summarized"},
    "tools": [TOOL],
    "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
    "output_config": {"format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "somebody"},
}
OLDER = {
    "messages": [{"role": "user", "content": "Look."}],
    "system": "Be brief.",
    "stop_sequences": "END",
    "output_format": {"type": "json_schema", "schema": {}},
}
BODIES = (RICH, OLDER, {"messages": [{"role": "user", "content": "Hi."}], "stream": False})


def test_every_field_that_is_read_is_described_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser looks at the described fields of a body and of what is in it, and at no others.

    A field that is new in the parser belongs into `lingma_trio/api/openapi/messages.py` and into a body above.
    """
    read = fields_read(monkeypatch, request.parse, *(to_json(body) for body in BODIES))
    assert read[""] == set(MessagesRequest.model_fields)
    assert read["messages[]"] == set(Turn.model_fields)
    assert read["tools[]"] == set(MessagesTool.model_fields)
    assert read["tool_choice"] == set(ToolChoice.model_fields)
    assert read["thinking"] == set(Thinking.model_fields)


@pytest.mark.parametrize("body", BODIES)
def test_what_is_read_fits_the_description(body: dict[str, object]) -> None:
    """Bodies that the parser takes are valid ones."""
    request.parse(to_json(body))
    MessagesRequest.model_validate(body)


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": None},
        {"messages": [{"content": "Hi."}]},
        {"messages": [{"role": "tool", "content": "Hi."}]},
        {"system": 5},
        {"model": "m" * 257},
        {"stream": "yes"},
        {"max_tokens": -1},
        {"stop_sequences": ["s"] * 17},
        {"stop_sequences": [""]},
        {"thinking": "on"},
        {"tools": {}},
        {"tool_choice": {"type": "all"}},
        {"output_config": []},
    ],
    ids=str,
)
def test_what_the_description_forbids_is_refused(change: dict[str, object]) -> None:
    """The bounds that are described are those that are kept."""
    with pytest.raises(ValidationError):
        MessagesRequest.model_validate({**RICH, **change}, strict=True)
    with pytest.raises(InvalidRequest):
        request.parse(to_json({**RICH, **change}))


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
