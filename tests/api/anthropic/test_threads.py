"""Conversations that are kept: what is kept of a request, and what becomes of it later."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import to_json

from lingma_trio.api.anthropic.asked import MessagesRequest
from lingma_trio.api.anthropic.request import as_request, read_body, threaded_request
from lingma_trio.api.anthropic.threads import answered, continued_from, kept_of, size_of, whole
from lingma_trio.errors import InvalidRequest
from lingma_trio.policy.response_store import StoredResponse

TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}, "strict": True}
CALL = {"type": "tool_use", "id": "id_1", "name": "look", "input": {"at": None}}
RESULT = {"type": "tool_result", "tool_use_id": "id_1", "content": [{"type": "text", "text": "seen"}], "is_error": True}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
FIRST: dict[str, Any] = {
    "system": [{"type": "text", "text": "Be brief."}],
    "tools": [TOOL],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Look."}, PICTURE, "here"]}],
}
ANSWER = {"role": "assistant", "content": [CALL]}
NEXT = {"messages": [{"role": "user", "content": [RESULT]}]}


def asked(fields: dict[str, Any], **thread: object) -> MessagesRequest:
    """A request with these fields and a thread."""
    return read_body(to_json({**fields, **({"thread": thread} if thread else {})}))


def begun() -> StoredResponse:
    """A conversation with one answer."""
    return answered(kept_of(asked(FIRST, type="create")), to_json(ANSWER), None)


def test_a_conversation_goes_on_as_if_all_of_it_had_been_sent() -> None:
    """Promise: system prompt, tools, pictures, calls and results are what they were."""
    sent = asked({**FIRST, "messages": [*FIRST["messages"], ANSWER, *NEXT["messages"]]})
    on = asked(NEXT, type="continue", previous_message_id="msg_1")
    assert whole(on, begun()).messages == sent.messages
    assert as_request(whole(on, begun())).prompt == as_request(sent).prompt
    assert threaded_request(on, begun(), "2").prompt == as_request(sent).prompt


def test_it_goes_on_from_what_went_on() -> None:
    """What is kept of a request is only what is new in it, and all that it follows is found with it."""
    first = begun()
    second = answered(kept_of(asked(NEXT, type="continue", previous_message_id="msg_1")), to_json(ANSWER), first)
    assert len(second.given) == 1
    assert len(whole(asked(NEXT, type="continue", previous_message_id="msg_2"), second).messages) == 5


def test_a_fault_is_found_where_the_client_sent_it() -> None:
    """What was kept does not count in the path of a field."""
    change = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "hear"}}
    turns = [*NEXT["messages"], {"role": "system", "content": [change]}]
    on = asked({"messages": turns}, type="continue", previous_message_id="msg_1")
    with pytest.raises(InvalidRequest) as caught:
        threaded_request(on, begun(), "2")
    assert caught.value.param == "messages[1].content[0].tool.name"


@pytest.mark.parametrize(
    ("fields", "thread", "param"),
    [
        (FIRST, {"type": "create", "previous_message_id": "msg_1"}, "thread.previous_message_id"),
        (NEXT, {"type": "continue"}, "thread.previous_message_id"),
        ({**NEXT, "system": "Be brief."}, {"type": "continue", "previous_message_id": "msg_1"}, "system"),
        ({**NEXT, "tools": []}, {"type": "continue", "previous_message_id": "msg_1"}, "tools"),
    ],
)
def test_what_does_not_fit_a_thread_is_refused(fields: dict[str, Any], thread: dict[str, Any], param: str) -> None:
    """Promise: a thread that goes on keeps what it was created with, and says so."""
    with pytest.raises(InvalidRequest) as caught:
        continued_from(asked(fields, **thread))
    assert caught.value.param == param


def test_where_a_request_goes_on_from() -> None:
    """An answer's id, or nothing."""
    assert continued_from(asked(NEXT, type="continue", previous_message_id="msg_1")) == "msg_1"
    assert continued_from(asked(FIRST, type="create")) is continued_from(asked(FIRST)) is None


def test_what_is_too_long_to_be_read_again_is_refused() -> None:
    """What is kept counts as if it had been sent."""
    on = asked(NEXT, type="continue", previous_message_id="msg_1")
    size = size_of(begun(), on, most=10_000)
    assert size_of(begun(), on, most=size) == size
    with pytest.raises(InvalidRequest) as caught:
        size_of(begun(), on, most=size - 1)
    assert caught.value.param == "thread"
