"""What a prompt says of itself."""

from __future__ import annotations

import pytest

from lingma_trio.sessions.commit import Delivered
from lingma_trio.threads import LOOP_SIZE
from lingma_trio.turns import Message, Prompt, ToolCall, text_buffer

LONG = "x" * LOOP_SIZE
CALL = ToolCall("c", "f", LONG)


@pytest.mark.parametrize(
    "messages",
    [
        [Message("user", LONG)],
        [Message("user", "", images=(LONG,))],
        [Message("assistant", "", tool_calls=(CALL,))],
        [Message("user", "")] * 2000,
        [Message("assistant", "", tool_calls=(ToolCall("c", "f", ""),) * 2000)],
    ],
)
def test_all_that_takes_long_to_work_on_counts(messages: list[Message]) -> None:
    """Promise: long texts, pictures and arguments leave the loop, and so do very many messages without any of them."""
    assert Prompt(tuple(messages)).size > LOOP_SIZE


def test_an_answer_s_calls_count() -> None:
    """Promise: an answer that is a long call is long."""
    assert Delivered("", (CALL,)).size > LOOP_SIZE > Delivered("short").size


def test_more_is_written_behind_a_text() -> None:
    """And not over it."""
    buffer = text_buffer("so far")
    buffer.write(", and on")
    assert buffer.getvalue() == "so far, and on"
