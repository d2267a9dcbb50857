"""Conversations that end with the beginning of an answer."""

from __future__ import annotations

import pytest

from lingma_trio.api.beginnings import to_be_answered
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Message, ToolCall

ASKED = Message("user", "q")
BEGUN = Message("assistant", "An old")


def test_what_an_assistant_began_stays_the_last_message() -> None:
    """And one that says nothing is left out, however many there are."""
    nothing = Message("assistant", " \n")
    assert to_be_answered((ASKED, BEGUN), param="messages") == (ASKED, BEGUN)
    assert to_be_answered((ASKED, nothing, nothing), param="messages") == (ASKED,)


def test_a_call_waits_for_its_result() -> None:
    """Nothing but the result can follow it."""
    called = Message("assistant", "", tool_calls=(ToolCall("c", "look", "{}"),))
    with pytest.raises(InvalidRequest, match="send the call's result") as caught:
        to_be_answered((ASKED, called), param="input")
    assert caught.value.param == "input"


def test_json_is_not_gone_on_with() -> None:
    """It is judged as a whole, which the beginning and the rest are not."""
    with pytest.raises(InvalidRequest, match="ask for no format"):
        to_be_answered((ASKED, BEGUN), param="messages", wanted=AnswerFormat())
    assert to_be_answered((ASKED,), param="messages", wanted=AnswerFormat()) == (ASKED,)
