"""Requests for a response on the path of chat completions: which they are, and what becomes of them."""

from __future__ import annotations

import pytest

from lingma_trio.api.responses.as_chat import as_chat, is_for_responses, is_read_as_chat
from lingma_trio.api.responses.memory import Memory
from lingma_trio.api.responses.request import read_request


@pytest.mark.parametrize(
    ("fields", "is_one"),
    [
        ({"input": "a"}, True),
        ({"input": [], "messages": []}, True),
        ({"input": "a", "messages": [{}]}, False),
        ({"messages": []}, False),
        ({"input": None}, False),
    ],
)
def test_the_input_tells(fields: dict[str, object], is_one: bool) -> None:
    """Where there are no messages beside it."""
    assert is_for_responses(fields) is is_one


def test_token_counts_of_a_stream_tell_of_chat_completions() -> None:
    """The Responses API has other options of a stream."""
    assert is_read_as_chat({"stream_options": {"include_usage": False}})
    assert not is_read_as_chat({"stream_options": {"include_obfuscation": False}})
    assert not is_read_as_chat({"stream_options": 7})
    assert not is_read_as_chat({})


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
    request = read_request(fields, Memory())
    chat = as_chat(request, fields)
    assert chat.prompt == request.prompt
    assert (chat.model, chat.stream, chat.max_tokens, chat.user, chat.include_usage) == ("m", True, 7, "me", True)
