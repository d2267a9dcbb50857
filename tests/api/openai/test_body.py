"""The body of an answer in one piece."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.openai.body import ChatBody
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingma_trio.turns import FinishReason

USAGE = Usage(prompt_tokens=7, answer_tokens=5, thought_tokens=2)


def body() -> ChatBody:
    """Return a body with fixed facts."""
    return ChatBody(id="chatcmpl-1", model="org_auto", created=1_700_000_000)


def test_a_golden_body() -> None:
    """Every field that the schema requires stands in the body, with its value."""
    encoder = body()
    assert encoder.thought("hm") == encoder.text("a") == encoder.text("b") == b""
    assert json.loads(encoder.finish("stop", USAGE)) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "org_auto",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "ab", "refusal": None, "reasoning_content": "hm"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 5,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }


@given(st.lists(st.text()), st.lists(st.text()), st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
def test_the_official_client_accepts_every_body(texts: list[str], thoughts: list[str], reason: FinishReason) -> None:
    """Any answer is valid, strictly, under the official client's own types, and holds what was said."""
    encoder = body()
    for text in texts:
        encoder.text(text)
    for thought in thoughts:
        encoder.thought(thought)
    completion = ChatCompletion.model_validate_json(encoder.finish(reason, USAGE), strict=True)
    assert completion.choices[0].message.content == "".join(texts)
    assert completion.choices[0].finish_reason == reason


def test_reasoning_is_mentioned_only_where_there_was_some() -> None:
    """Without reasoning, empty deltas included, the message has no such field."""
    encoder = body()
    encoder.thought("")
    assert b"reasoning_content" not in encoder.finish("stop", USAGE)


def test_a_replaced_text_leaves_nothing_of_the_old_one() -> None:
    """Text so far is void, text that follows is added, and the reasoning stands."""
    encoder = body()
    encoder.thought("hm")
    encoder.text("old")
    assert encoder.replaced("new") == b""
    encoder.text("er")
    message = json.loads(encoder.finish("stop", USAGE))["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("newer", "hm")


def test_text_that_utf8_cannot_hold_is_replaced() -> None:
    """Lone surrogates in the answer or its facts do not keep the answer from being sent."""
    encoder = ChatBody(id="\ud800", model="\ud800", created=1)
    encoder.text("a\ud800")
    encoder.thought("\ud800")
    answer = json.loads(encoder.finish("stop", USAGE))
    message = answer["choices"][0]["message"]
    assert (answer["id"], answer["model"], message["content"], message["reasoning_content"]) == ("?", "?", "a?", "?")


def test_started_turns_true_with_the_body() -> None:
    """Until the body is handed out, a fault is a response of its own."""
    encoder = body()
    encoder.text("a")
    assert not encoder.started
    encoder.finish("stop", USAGE)
    assert encoder.started


def test_a_body_cannot_tell_of_a_fault() -> None:
    """`fail` is a bug of the caller, before the end and after it."""
    encoder = body()
    with pytest.raises(EncoderError):
        encoder.fail(ChannelLost("lost"))
    encoder.finish("stop", USAGE)
    with pytest.raises(EncoderError):
        encoder.fail(ChannelLost("lost"))


@pytest.mark.parametrize(
    "step",
    [
        lambda encoder: encoder.text("a"),
        lambda encoder: encoder.thought("a"),
        lambda encoder: encoder.replaced("a"),
        lambda encoder: encoder.finish("stop", USAGE),
    ],
)
def test_nothing_follows_the_body(step: Callable[[ChatBody], bytes]) -> None:
    """After the body was handed out every further event is a bug of the caller."""
    encoder = body()
    encoder.finish("stop", USAGE)
    with pytest.raises(EncoderError):
        step(encoder)


def test_a_function_of_old_is_called_in_the_old_form() -> None:
    """One call, without an id, and a finish reason of its own."""
    encoder = ChatBody(id="chatcmpl-1", model="org_auto", created=1, legacy_functions=True)
    encoder.call(ToolCall("call_1", "look", '{"a":1}'))
    choice = json.loads(encoder.finish("tool_calls", USAGE))["choices"][0]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "look", "arguments": '{"a":1}'}
    assert "tool_calls" not in choice["message"]


def test_a_call_of_a_custom_tool_is_told_with_its_text() -> None:
    """Other calls beside it have arguments."""
    encoder = ChatBody(id="chatcmpl-1", model="org_auto", created=1_700_000_000, custom=frozenset({"shell"}))
    encoder.call(ToolCall("call_1", "shell", '{"input":"ls -l"}'))
    encoder.call(ToolCall("call_2", "weather", '{"city":"Oslo"}'))
    told = json.loads(encoder.finish("tool_calls", USAGE))["choices"][0]["message"]["tool_calls"]
    assert told == [
        {"id": "call_1", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}},
        {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
    ]
