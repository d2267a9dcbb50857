"""A turn in the `session/*` dialect: what leads to the question, and what each of its updates makes of the answer."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.protocol.answer import Failed
from lingma_trio.protocol.failures import EMPTY_ANSWER, REFUSED, SILENCE
from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.opening import Spare
from lingma_trio.protocol.request import Refusal, Request
from lingma_trio.protocol.session_turn import SessionTurn
from lingma_trio.protocol.turn_machine import Terms
from lingma_trio.turns import Finished, TextDelta, ThoughtDelta, ToolCall
from tests.protocol.sink import Sink

UPDATE = "session/update"
CALL = {"toolCallId": "call_1", "toolName": "weather", "status": "pending", "rawInput": {"city": "Oslo"}}


def turn_into(sink: Sink, *, session_id: str = "s-0", spare: Spare | None = None) -> SessionTurn:
    """A turn of a client with one tool, in a session that is continued unless told otherwise; not begun."""
    question = Question("r", "Why?", "auto", session_id=session_id, tools=frozenset({"weather"}))
    return SessionTurn(question, sink, Terms("session", directory="/work"), timestamp=7, spare=spare)


def update(kind: str, **members: object) -> dict[str, Any]:
    """The parameters of a `session/update` of this kind."""
    return {"sessionId": "s-1", "update": {"sessionUpdate": kind, **members}}


def chunk(text: str) -> dict[str, Any]:
    """An update with more of the answer."""
    return update("agent_message_chunk", content={"type": "text", "text": text})


def finish(**members: object) -> dict[str, Any]:
    """The update that ends a turn."""
    return update("notification", type="chat_finish", data={"statusCode": 200, "reason": "", **members})


def only(requests: list[Any]) -> Request:
    """The one request that is to be sent."""
    (request,) = requests
    assert isinstance(request, Request)
    return request


def test_a_new_session_is_opened_and_told_its_model_before_the_question() -> None:
    """Each request follows the answer to the one before it, and the question is out with the last."""
    turn = turn_into(Sink(), session_id="")
    opened = only(turn.begin())
    turn.answered(opened, {"sessionId": "s-1"})
    told = only(turn.take_outgoing())
    assert (turn.session_id, turn.asked) == ("s-1", False)
    turn.answered(told, None)
    asked = only(turn.take_outgoing())
    assert [opened.method, told.method, asked.method] == ["session/new", "session/set_model", "session/prompt"]
    assert all(each.awaited for each in (opened, told, asked))
    assert turn.asked
    assert turn.take_outgoing() == []


def test_an_opening_that_goes_wrong_fails_the_turn() -> None:
    """Whether Lingma refuses a request or opens nothing, its words or ours say so."""
    refused, empty = Sink(), Sink()
    turn = turn_into(refused)
    turn.refused(only(turn.begin()), Refusal(-1, "no more sessions"))
    assert refused.events == [Failed(REFUSED, "no more sessions")]
    turn = turn_into(empty, session_id="")
    turn.answered(only(turn.begin()), {})
    assert empty.events == [Failed(REFUSED, "it opened no session")]


def test_a_spare_session_is_the_turns_own_from_the_start() -> None:
    """Its pushes are known by it before any of them names it."""
    turn = turn_into(Sink(), session_id="", spare=Spare("s-9", "auto"))
    assert turn.session_id == "s-9"
    assert only(turn.begin()).method == "session/prompt"


def test_each_update_is_a_sign_of_life() -> None:
    """Text, thoughts and reports of tools count once each, and with nothing in them too."""
    turn = turn_into(Sink())
    updates = [
        chunk("a"),
        chunk(""),
        update("agent_thought_chunk", content={"text": "hm"}),
        update("tool_call", toolCallId="x", status="pending"),
        update("tool_call_update", toolCallId="x", status="pending"),
    ]
    for number, each in enumerate(updates, start=1):
        turn.push(UPDATE, each)
        assert turn.answer.signs == number


def test_text_and_thoughts_are_told_apart_and_the_end_names_the_session() -> None:
    """The plain course."""
    sink = Sink()
    turn = turn_into(sink)
    turn.push(UPDATE, update("agent_thought_chunk", content={"text": "hm"}))
    turn.push(UPDATE, chunk("Because."))
    turn.push(UPDATE, finish())
    assert sink.events == [ThoughtDelta("hm"), TextDelta("Because."), Finished("s-1")]


def test_only_an_update_is_read_as_one() -> None:
    """Another method with the same members, and another notification, say nothing of the answer."""
    sink = Sink()
    turn = turn_into(sink)
    turn.push("session/told", chunk("a"))
    turn.push(UPDATE, update("notification", type="chat_begin", data={"statusCode": 200}))
    assert (sink.events, turn.answer.signs) == ([], 0)


def test_a_finish_with_an_error_gives_its_status_and_its_reason() -> None:
    """What went wrong is told in upstream's words."""
    sink = Sink()
    turn_into(sink).push(UPDATE, finish(statusCode=403, reason="quota"))
    assert sink.events == [Failed(403, "quota")]


@pytest.mark.parametrize("kind", ["tool_call", "tool_call_update"])
def test_a_call_of_the_clients_reaches_the_client(kind: str) -> None:
    """Lingma is told yes, in the session, and then that the call went well elsewhere."""
    sink = Sink()
    turn = turn_into(sink)
    turn.push(UPDATE, update(kind, **CALL))
    assert sink.events == [ToolCall("call_1", "weather", '{"city":"Oslo"}')]
    approved, reported = turn.take_outgoing()
    assert isinstance(approved, Request)
    assert (approved.method, approved.params["sessionId"]) == ("tool/call/approve", "s-0")
    assert isinstance(reported, Request)
    assert reported.method == "tool/invokeResult"


@pytest.mark.parametrize(
    ("method", "result", "settling"),
    [
        ("session/prompt", {"stopReason": "end_turn"}, 1),
        ("session/prompt", {"stopReason": ""}, 0),
        ("session/prompt", ["stopReason"], 0),
        ("session/set_model", {"stopReason": "end_turn"}, 0),
    ],
)
def test_the_prompts_own_result_ends_an_answer_that_nothing_follows(method: str, result: object, settling: int) -> None:
    """Only a prompt that stopped is waited for no longer than a moment; what had come is the whole answer then."""
    sink = Sink()
    turn = turn_into(sink)
    turn.begin()
    turn.push(UPDATE, chunk("Because."))
    turn.answered(Request(method, {}, awaited=True), result)
    assert turn.settling == settling
    turn.end_by_idle()
    assert sink.events == [TextDelta("Because."), Finished("s-0", keep=bool(settling))]


@pytest.mark.parametrize(("stopped", "status"), [(True, EMPTY_ANSWER), (False, SILENCE)])
def test_an_answer_of_nothing_is_told_from_silence(stopped: bool, status: int) -> None:
    """Lingma said that it was done, or it said nothing at all."""
    sink = Sink()
    turn = turn_into(sink)
    prompt = only(turn.begin())
    if stopped:
        turn.answered(prompt, {"stopReason": "end_turn"})
    turn.end_by_idle()
    turn.end_by_idle()
    assert sink.events == [Failed(status, "")]


def test_it_is_stopped_in_its_session() -> None:
    """The stop names the session that the question was asked in."""
    stop = turn_into(Sink()).stop()
    assert (stop.method, stop.params) == (
        "session/cancel",
        {"sessionId": "s-0", "_meta": {"ai-coding/request-id": "r"}},
    )
