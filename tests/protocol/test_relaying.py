"""A relay knows from a message alone whose turn it begins, stops or ends."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.protocol.messages import REQUEST_ID, Question, ask_params
from lingma_trio.protocol.relaying import Turn, answer_ends, ends, stopped
from lingma_trio.protocol.request import Notice, Request
from lingma_trio.protocol.session_messages import cancel_params, prompt_params

QUESTION = Question("r-1", "hello", "qwen", session_id="s-1")
PROMPTED = prompt_params(QUESTION, "s-1")


@pytest.mark.parametrize(
    ("method", "params", "by_session", "turn"),
    [
        ("chat/ask", ask_params(QUESTION), False, Turn("chat/ask", "r-1", "s-1", "qwen")),
        ("session/prompt", PROMPTED, False, Turn("session/prompt", "r-1", "s-1", "qwen")),
        ("session/prompt", {"sessionId": "S"}, True, Turn("session/prompt", "session:S", "S")),
        ("chat/ask", ask_params(QUESTION), True, None),
        ("session/new", {}, False, None),
        ("session/prompt", {"_meta": 3}, False, Turn("session/prompt", "", "")),
    ],
    ids=["chat", "session", "acp", "chat of acp", "no turn", "nameless"],
)
def test_a_turn_begins(method: str, params: dict[str, Any], by_session: bool, turn: Turn | None) -> None:
    """As the gateway writes it in each dialect; one without a name has an empty key."""
    assert Turn.begun(method, params, by_session=by_session) == turn


def test_a_turn_is_stopped_as_its_gateway_would() -> None:
    """In the words of each dialect, and each stop is known again for the turn's."""
    asked = Turn("chat/ask", "r-1", "")
    prompted = Turn("session/prompt", "r-1", "s-1")
    acp = Turn("session/prompt", "session:S", "S")
    stops = [
        (asked, asked.stop("s-1", by_session=False), False),
        (prompted, prompted.stop("s-1", by_session=False), False),
        (acp, acp.stop("S", by_session=True), True),
    ]
    assert isinstance(stops[0][1], Request)
    assert stops[0][1].params == {"requestId": "r-1", "sessionId": "s-1"}
    assert stops[1][1].params == cancel_params(QUESTION, "s-1") == {"sessionId": "s-1", "_meta": {REQUEST_ID: "r-1"}}
    assert isinstance(stops[2][1], Notice)
    for turn, stop, by_session in stops:
        assert stopped(stop.method, stop.params, by_session=by_session) == turn.key
    assert stopped("chat/ask", {"requestId": "r-1"}, by_session=False) == ""


def test_upstreams_own_word_ends_a_turn() -> None:
    """And nothing else that it pushes."""
    finish = {"update": {"sessionUpdate": "notification", "type": "chat_finish"}}
    assert ends("chat/finish", {})
    assert ends("session/update", finish)
    assert not ends("session/update", {"update": {"sessionUpdate": "agent_message_chunk"}})
    assert not ends("chat/answer", finish)
    assert answer_ends({"stopReason": "end_turn"})
    assert not answer_ends({})
    assert not answer_ends(None)
