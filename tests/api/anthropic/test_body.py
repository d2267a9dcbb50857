"""The body of an answer in one piece."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.api.anthropic.answer_blocks import SIGNATURE
from lingma_trio.api.anthropic.body import MessageBody
from lingma_trio.api.encoder import EncoderError
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingma_trio.turns import FinishReason

USAGE = Usage(prompt_tokens=7, answer_tokens=5, thought_tokens=2)
CALL = ToolCall("call_1", "look", '{"at":{"b":[1,2.5,null]}}')


def body(*, thinking: bool = True) -> MessageBody:
    """Return a body with fixed facts."""
    return MessageBody(id="msg_1", model="claude", thinking=thinking)


def test_a_golden_body() -> None:
    """Every field that clients want stands in the body, its blocks in the order in which they came."""
    encoder = body()
    assert encoder.thought("hm") == encoder.text("a") == encoder.text("b") == encoder.call(CALL) == b""
    assert json.loads(encoder.finish("tool_calls", USAGE)) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": SIGNATURE},
            {"type": "text", "text": "ab"},
            {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": {"b": [1, 2.5, None]}}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 7,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 2},
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
    encoder.call(CALL)
    message = Message.model_validate_json(encoder.finish(reason, USAGE, stop_sequence="END"), strict=True)
    assert "".join(block.text for block in message.content if block.type == "text") == "".join(texts)
    assert "".join(block.thinking for block in message.content if block.type == "thinking") == "".join(thoughts)


def test_a_stop_sequence_is_named() -> None:
    """The body says which of the client's sequences ended it."""
    answer = json.loads(body().finish("stop", USAGE, stop_sequence="END"))
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", "END")


def test_reasoning_that_is_not_shown_leaves_no_trace() -> None:
    """Who did not ask for reasoning is given text alone, in one block."""
    encoder = body(thinking=False)
    encoder.text("a")
    encoder.thought("hm")
    encoder.text("b")
    assert json.loads(encoder.finish("stop", USAGE))["content"] == [{"type": "text", "text": "ab"}]


def test_a_replaced_text_leaves_nothing_of_the_old_one() -> None:
    """Text so far is void, wherever it stood; text that follows is added, and everything else stays."""
    encoder = body()
    encoder.text("old")
    encoder.thought("hm")
    encoder.text("also old")
    assert encoder.replaced("new") == b""
    encoder.text("er")
    content = json.loads(encoder.finish("stop", USAGE))["content"]
    assert [block.get("text", block.get("thinking")) for block in content] == ["hm", "newer"]


def test_an_answer_of_nothing_has_no_blocks() -> None:
    """Empty deltas make no block."""
    encoder = body()
    encoder.text("")
    encoder.thought("")
    assert json.loads(encoder.finish("length", USAGE))["content"] == []


def test_text_that_utf8_cannot_hold_is_replaced() -> None:
    """Lone surrogates in the answer or its facts do not keep the answer from being sent."""
    encoder = MessageBody(id="\ud800", model="\ud800", thinking=True)
    encoder.text("a\ud800")
    encoder.thought("\ud800")
    answer = json.loads(encoder.finish("stop", USAGE))
    assert (answer["id"], answer["model"]) == ("?", "?")
    assert (answer["content"][0]["text"], answer["content"][1]["thinking"]) == ("a?", "?")


def test_started_turns_true_with_the_body() -> None:
    """Until the body is handed out, a fault is a response of its own."""
    encoder = body()
    encoder.text("a")
    assert not encoder.started
    encoder.finish("stop", USAGE)
    assert encoder.started


@pytest.mark.parametrize(
    "step",
    [
        lambda encoder: encoder.start(),
        lambda encoder: encoder.text("a"),
        lambda encoder: encoder.thought("a"),
        lambda encoder: encoder.replaced("a"),
        lambda encoder: encoder.call(CALL),
        lambda encoder: encoder.finish("stop", USAGE),
        lambda encoder: encoder.fail(ChannelLost("lost")),
    ],
)
def test_nothing_follows_the_body(step: Callable[[MessageBody], bytes]) -> None:
    """After the body was handed out every further event is a bug of the caller."""
    encoder = body()
    encoder.finish("stop", USAGE)
    with pytest.raises(EncoderError):
        step(encoder)


def test_a_body_has_no_beginning_and_cannot_tell_of_a_fault() -> None:
    """`start` and `fail` are bugs of the caller before the end, too."""
    with pytest.raises(EncoderError):
        body().start()
    with pytest.raises(EncoderError):
        body().fail(ChannelLost("lost"))
