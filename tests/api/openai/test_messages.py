"""Messages of every role and shape as the vocabulary's messages."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic_core import to_json

from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.openai.asked import ChatCompletionRequest
from lingma_trio.api.openai.messages import read_messages
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, Role, ToolCall


def read(messages: list[dict[str, Any]]) -> tuple[Message, ...]:
    """Read messages as they came."""
    asked = read_as(ChatCompletionRequest, to_json({"messages": messages}))
    assert asked.messages is not None
    return read_messages(asked.messages)


@pytest.mark.parametrize("role", get_args(Role))
def test_every_role_of_the_vocabulary_is_read(role: Role) -> None:
    """Each role comes through as itself, with its name and the call it answers."""
    message = {"role": role, "content": "a", "name": "n", "tool_call_id": "c", "unknown": {"x": 1}}
    assert read([message]) == (Message(role, "a", name="n", tool_call_id="c"),)


def test_messages_keep_their_order_and_their_attachments() -> None:
    """Messages come out oldest first, each with its own attachments."""
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    first, second = read([{"role": "user", "content": [picture]}, {"role": "assistant", "content": "b"}])
    assert (first.role, first.text, len(first.attachments)) == ("user", "[image]", 1)
    assert second == Message("assistant", "b")


@pytest.mark.parametrize(
    ("fields", "calls"),
    [
        (
            {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            (ToolCall("1", "f", "{}"),),
        ),
        ({"tool_calls": [{"function": {"name": "f"}}]}, (ToolCall("", "f", ""),)),
        (
            {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"b": 1, "a": 2}}}]},
            (ToolCall("1", "f", '{"a":2,"b":1}'),),
        ),
        (
            {"tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
            (ToolCall("1", "f", '{"input":"x"}'),),
        ),
        ({"function_call": {"name": "f", "arguments": "{}"}}, (ToolCall("", "f", "{}"),)),
        ({"tool_calls": None, "function_call": None, "content": "a"}, ()),
    ],
)
def test_an_assistant_keeps_its_tool_calls(fields: dict[str, object], calls: tuple[ToolCall, ...]) -> None:
    """Calls in every form that clients send them are kept, with null content or none."""
    (message,) = read([{"role": "assistant", **fields}])
    assert message.tool_calls == calls


def test_tool_calls_of_other_roles_are_unknown_fields() -> None:
    """Only an assistant calls tools; the field means nothing elsewhere and is no fault."""
    assert read([{"role": "user", "content": "a", "tool_calls": []}]) == (Message("user", "a"),)


def test_a_refusal_stands_for_content_that_is_missing() -> None:
    """An assistant that refused is remembered by its refusal, and by its content where it has some."""
    assert read([{"role": "assistant", "content": None, "refusal": "no"}]) == (Message("assistant", "no"),)
    assert read([{"role": "assistant", "content": "a", "refusal": "no"}]) == (Message("assistant", "a"),)


@pytest.mark.parametrize("role", get_args(Role))
def test_one_message_with_content_is_a_conversation(role: Role) -> None:
    """A message of any role can be answered, a system message alone included, and empty ones may stand beside it."""
    assert len(read([{"role": "user", "content": ""}, {"role": role, "content": "a"}])) == 2


@pytest.mark.parametrize("mark", ["prefix", "partial"])
def test_only_the_assistants_last_message_can_be_a_beginning(mark: str) -> None:
    """A mark that means nothing where it stands is refused by its place."""
    asked: dict[str, Any] = {"role": "user", "content": "a"}
    begun: dict[str, Any] = {"role": "assistant", "content": "b", mark: True}
    assert read([asked, begun])[-1] == Message("assistant", "b")
    wrong = (([begun, asked], 0), ([asked, {**asked, mark: True}], 1))
    for messages, place in wrong:
        with pytest.raises(InvalidRequest) as caught:
            read(messages)
        assert caught.value.param == f"messages[{place}].{mark}"
