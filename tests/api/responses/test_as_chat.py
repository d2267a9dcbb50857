"""Requests for a response on the path of chat completions: which they are, and what becomes of them."""

from __future__ import annotations

import pytest
from pydantic_core import to_json

from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.openai.asked import ChatCompletionRequest
from lingma_trio.api.responses.as_chat import as_chat, is_for_responses, usage_asked
from lingma_trio.api.responses.asked import ResponseRequest as Asked
from lingma_trio.api.responses.memory import Memory
from lingma_trio.api.responses.request import read_request
from lingma_trio.errors import InvalidRequest


def sent(fields: dict[str, object]) -> ChatCompletionRequest:
    """What came to the path of chat completions."""
    return read_as(ChatCompletionRequest, to_json(fields))


def test_a_response_is_one_answer() -> None:
    """Several of them are refused by name and not cut down to one."""
    with pytest.raises(InvalidRequest) as caught:
        is_for_responses(sent({"input": "a", "n": 2}))
    assert caught.value.param == "n"


@pytest.mark.parametrize(
    ("fields", "is_one"),
    [
        ({"input": "a"}, True),
        ({"input": [], "messages": []}, True),
        ({"input": "a", "messages": [{"role": "user"}]}, False),
        ({"messages": []}, False),
        ({"input": None}, False),
    ],
)
def test_the_input_tells(fields: dict[str, object], is_one: bool) -> None:
    """Where there are no messages beside it."""
    assert is_for_responses(sent(fields)) is is_one


def test_token_counts_of_a_stream_tell_of_chat_completions() -> None:
    """The Responses API has other options of a stream."""
    assert usage_asked(sent({"stream_options": {"include_usage": False}})) is False
    assert usage_asked(sent({"stream_options": {"include_usage": True}})) is True
    assert usage_asked(sent({"stream_options": {"include_obfuscation": False}})) is None
    assert usage_asked(sent({})) is None


def test_the_same_is_asked() -> None:
    """Conversation, tools and bounds are those of the request."""
    fields = {
        "input": "a",
        "instructions": "b",
        "model": "m",
        "stream": True,
        "max_output_tokens": 7,
        "user": "me",
        "tools": [{"type": "function", "name": "look"}],
        "stream_options": {"include_usage": True},
    }
    request = read_request(read_as(Asked, to_json(fields)), Memory())
    chat = as_chat(request, include_usage=True)
    assert chat.prompt == request.prompt
    assert (chat.model, chat.stream, chat.max_tokens, chat.user, chat.include_usage) == ("m", True, 7, "me", True)
