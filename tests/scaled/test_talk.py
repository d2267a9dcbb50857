"""What the clients of the scale test hear, and what they make of the simulators' record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.client import Answer
from tests.end_to_end.gateway import started
from tests.scaled.talk import API_KEYS, CUT, OK, Conversation, conversations, heard, outcomes, uses

if TYPE_CHECKING:
    from pathlib import Path

STREAM = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
TEXT = b'data: {"choices": [{"delta": {"content": "Well"}}]}\n\n'


def asked(session: str, question: str) -> dict[str, Any]:
    return {"kind": "ask", "sessionId": session, "length": len(question)}


def test_second_use_of_a_session_is_counted() -> None:
    """Two forks of one turn in one session are a double use; turns one after the other, and openings, are none."""
    (talk,) = conversations(1, "talk")
    record = [asked("", talk.question())]
    talk.messages = [{}, {}]
    record += [asked("s", talk.question(0)), {"kind": "stop", "sessionId": "s"}]
    assert uses(record) == (1, 0)
    fork = [asked("s", talk.question(1))]
    talk.messages *= 2
    assert uses([*record, asked("s", talk.question(0)), asked("t", talk.question(1))]) == (3, 0)
    assert uses([*record, *fork]) == (2, 1)


ENDS = {
    "whole": (Answer(200, STREAM, TEXT + b"data: [DONE]\n\n", complete=True), OK, "Well"),
    "cut": (Answer(200, STREAM, TEXT, complete=False), CUT, "Well"),
    "in-band": (Answer(200, STREAM, TEXT + b'data: {"error": {"code": "lost"}}\n\n', complete=True), "lost", ""),
    "in-band and cut": (
        Answer(200, STREAM, TEXT + b'data: {"error": {"code": "lost"}}\n\n', complete=False),
        "lost",
        "",
    ),
    "refused": (Answer(503, JSON, b'{"error": {"code": "busy"}}', complete=True), "busy", ""),
    "balancer": (Answer(502, {"content-type": "text/html"}, b"<html>", complete=True), "status 502", ""),
}


@pytest.mark.parametrize(("answer", "outcome", "text"), ENDS.values(), ids=ENDS)
def test_every_end_has_a_name(answer: Answer, outcome: str, text: str) -> None:
    """An answer is whole, cut off, or ends with an error that has a code, in the body or in the stream."""
    said = heard(answer)
    assert (said.outcome, said.text) == (outcome, text)
    assert outcomes([said, said]) == f"2 {outcome}"


@pytest.mark.slow
async def test_one_of_two_forks_goes_on(tmp_path: Path) -> None:
    """Of a race of forks the simulator's record has one use of the session, and answers prove what that holds."""
    with started(tmp_path, LINGMA_SIMULATOR="first=0,gap=0,record=1", API_KEYS=API_KEYS) as gateway:
        talk = Conversation("somebody", "sk-of-the-scale-test-0")
        assert (await talk.ask(gateway.port)).outcome == OK
        assert "somebody 0 0" in (await talk.ask(gateway.port)).text
        assert [said.outcome for said in await talk.race(gateway.port, gateway.port)] == [OK, OK]
        assert uses(gateway.records) == (2, 0)
