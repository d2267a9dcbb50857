"""The messages of a chat and the prompt of a text."""

from __future__ import annotations

from base64 import b64encode

import pytest

from lingma_trio.api.ollama.asked import OllamaGenerateRequest, OllamaMessage
from lingma_trio.api.ollama.messages import read_messages, read_prompt
from lingma_trio.api.openai.asked import ChatMessage
from lingma_trio.api.openai.messages import read_messages as read_theirs
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, ToolCall

PNG = b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()


def test_calls_and_results_are_read() -> None:
    """Arguments are objects, results name their tool, and reasoning that comes back is no part of an answer."""
    given = [
        {"role": "user", "content": "Look."},
        {
            "role": "assistant",
            "content": "",
            "thinking": "Hm.",
            "tool_calls": [{"function": {"name": "look", "arguments": {"b": 1, "a": 2}}}],
        },
        {"role": "tool", "tool_name": "look", "content": "Seen."},
        {"role": "tool", "name": "look", "tool_call_id": "c", "content": None},
    ]
    assert read_messages([OllamaMessage.model_validate(each) for each in given]) == (
        Message("user", "Look."),
        Message("assistant", "", tool_calls=(ToolCall("", "look", '{"a":2,"b":1}'),)),
        Message("tool", "Seen.", name="look"),
        Message("tool", "", name="look", tool_call_id="c"),
    )


def test_pictures_are_what_they_are_on_other_surfaces() -> None:
    """A text with a picture is the same message as in chat completions, so sessions know it by the same digest."""
    ours = read_messages([OllamaMessage(role="user", content="Look.", images=[PNG])])
    parts = [
        {"type": "text", "text": "Look."},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    assert ours == read_theirs([ChatMessage(role="user", content=parts)])
    assert ours[0].text == "Look.\n[image]"
    assert ours[0].image_fields == ("messages[0].images[0]",)
    (alone,) = read_messages([OllamaMessage(role="user", images=[PNG])])
    assert (alone.text, len(alone.images)) == ("[image]", 1)


def test_a_prompt_has_its_system_message_and_its_pictures() -> None:
    """It is one question."""
    asked = OllamaGenerateRequest(prompt="Look.", system="Be brief.", images=[PNG])
    system, question = read_prompt(asked)
    assert system == Message("system", "Be brief.")
    assert (question.role, question.text, len(question.images)) == ("user", "Look.\n[image]", 1)


def test_a_text_is_filled_in() -> None:
    """What goes before and what comes after reach the model, with what it is to keep to."""
    messages = read_prompt(OllamaGenerateRequest(prompt="def f(", suffix="return x", system="Be brief."))
    assert [(message.role, message.name) for message in messages[2:]] == [("user", "beginning"), ("user", "end")]
    assert [message.text for message in (messages[0], *messages[2:])] == ["Be brief.", "def f(", "return x"]
    with pytest.raises(InvalidRequest, match="no place") as refused:
        read_prompt(OllamaGenerateRequest(prompt="def f(", suffix="return x", images=[PNG]))
    assert refused.value.param == "images"
