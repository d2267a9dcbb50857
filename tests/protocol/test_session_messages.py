"""What the `session/*` dialect is sent, member by member: Lingma passes over what it does not know in silence."""

from __future__ import annotations

import pytest

from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.session_messages import (
    cancel_params,
    model_params,
    new_params,
    prompt_params,
    read_session_id,
)

PICTURE = "data:image/png;base64,AAAA"


def test_a_session_is_opened_where_it_is_to_work() -> None:
    """The directory and the time are as given, and no server of tools is brought along."""
    assert new_params("/work", 1_700_000_000_000) == {
        "cwd": "/work",
        "mcpServers": [],
        "_meta": {},
        "timestamp": 1_700_000_000_000,
    }


def test_a_session_is_told_its_model() -> None:
    """Session, model and time are as given."""
    assert model_params("auto", "s-1", 7) == {"sessionId": "s-1", "modelId": "auto", "timestamp": 7, "_meta": {}}


def test_a_prompt_is_its_text_and_then_its_pictures() -> None:
    """What Lingma is to know of the question besides stands in the prompt's margin."""
    question = Question("r", "Why?", "auto", mode="agent", images=(PICTURE, "data:image/gif;base64,BB"))
    assert prompt_params(question, "s-1") == {
        "sessionId": "s-1",
        "prompt": [
            {"type": "text", "text": "Why?"},
            {"type": "image", "mimeType": "image/png", "data": "AAAA"},
            {"type": "image", "mimeType": "image/gif", "data": "BB"},
        ],
        "contextParams": None,
        "_meta": {
            "ai-coding/request-id": "r",
            "ai-coding/mode": "agent",
            "ai-coding/model": "auto",
            "ai-coding/shell-type": "bash",
            "ai-coding/enabled-mcp-servers": [],
        },
    }


def test_what_is_stopped_is_named_by_session_and_request() -> None:
    """A session has one turn at a time, and its late stop must not end the next one's."""
    assert cancel_params(Question("r", "Why?", "auto"), "s-1") == {
        "sessionId": "s-1",
        "_meta": {"ai-coding/request-id": "r"},
    }


@pytest.mark.parametrize(
    ("result", "session_id"),
    [
        ({"sessionId": "s-1", "id": "s-2"}, "s-1"),
        ({"id": "s-2"}, "s-2"),
        ({"sessionId": 5}, ""),
        ({}, ""),
        (None, ""),
        (["s-1"], ""),
    ],
)
def test_a_new_session_is_read_under_either_name(result: object, session_id: str) -> None:
    """What is no text names no session."""
    assert read_session_id(result) == session_id
