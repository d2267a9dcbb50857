"""What a script says is the same in either protocol."""

from __future__ import annotations

from dataclasses import replace

from lingma_trio.simulator.chat_script import answer_params
from lingma_trio.simulator.script import Ask, Delta, Push
from lingma_trio.simulator.updates import as_push

CHAT = Ask("r", "s", "Why?")
SESSION = replace(CHAT, protocol="session")


def test_a_push_stays_what_it_is_in_its_own_protocol() -> None:
    """Nothing is added or left out."""
    assert as_push(CHAT, Delta(0.0, "a")) == ("chat/answer", answer_params(CHAT, "a"))
    assert as_push(CHAT, Push(0.0, "chat/finish", {"x": 1})) == ("chat/finish", {"x": 1})


def test_a_push_is_an_update_in_the_other() -> None:
    """It names its session and its request; what both protocols have stays as it is."""
    chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "a"}}
    envelope = {"sessionId": "s", "_meta": {"ai-coding/request-id": "r"}}
    assert as_push(SESSION, Delta(0.0, "a")) == ("session/update", {**envelope, "update": chunk})
    end = {"sessionUpdate": "notification", "type": "chat_finish", "data": {"reason": "no", "statusCode": 400}}
    finish = Push(0.0, "chat/finish", {"reason": "no", "statusCode": 400, "fullAnswer": ""})
    assert as_push(SESSION, finish) == ("session/update", {**envelope, "update": end})
    step = Push(0.0, "chat/process_step_callback", {"requestId": "r"})
    assert as_push(SESSION, step) == ("chat/process_step_callback", {"requestId": "r"})
