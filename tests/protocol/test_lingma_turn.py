"""What turns of both dialects share: calls of tools, errors in the place of an end, and those that may be another's."""

from __future__ import annotations

import gc
import weakref
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.protocol.answer import Failed
from lingma_trio.protocol.chat_turn import ChatTurn
from lingma_trio.protocol.failures import FILTER_TIMEOUT, REPORTED_ERROR, SILENCE
from lingma_trio.protocol.lingma_turn import LingmaTurn
from lingma_trio.protocol.messages import ERROR_PUSHES, INVOKE, TOOL_REPORT, Question, call_key, session_key
from lingma_trio.protocol.request import Request, Result
from lingma_trio.protocol.session_turn import SessionTurn
from lingma_trio.protocol.turn_machine import Push, Terms
from lingma_trio.turns import Finished, TextDelta, ThoughtDelta, ToolCall
from tests.protocol.sink import Event, Sink

CALL = ToolCall("call_1", "weather", '{"city":"Oslo"}')


def turn_into(sink: Sink, session_id: str = "") -> ChatTurn:
    """A turn of a client with one tool, whose question is out."""
    question = Question("r", "Why?", "auto", session_id=session_id, tools=frozenset({"weather"}))
    turn = ChatTurn(question, sink, Terms())
    turn.begin()
    return turn


def invoke(**members: object) -> dict[str, Any]:
    """What asks for the client's tool."""
    return {"toolCallId": "call_1", "name": "weather", "parameters": {"city": "Oslo"}, "sessionId": "s-1", **members}


def report(**members: object) -> dict[str, Any]:
    """What says that the client's tool waits for a decision."""
    return {"toolCallId": "call_1", "toolCallStatus": "PENDING", "toolName": "weather", "sessionId": "s-1", **members}


def test_a_call_is_known_by_itself_once_it_was_seen() -> None:
    """Some pushes name a call and nothing else; before there is one, the session is what a turn is known by."""
    turn = turn_into(Sink())
    assert not turn.aliases
    turn.push("chat/answer", {"sessionId": "s-1", "text": "I look."})
    assert list(turn.aliases) == [session_key("s-1")]
    assert turn.aliases is turn.aliases
    turn.push(INVOKE, invoke(sessionId="s-2"))
    assert list(turn.aliases) == [session_key("s-2"), call_key("call_1")]


@pytest.mark.parametrize("kind", [ChatTurn, SessionTurn])
def test_what_is_over_is_free_at_once(kind: type[ChatTurn | SessionTurn]) -> None:
    """A turn that nobody holds any longer goes with its answer's text, and waits for no garbage collector."""
    question = Question("r", "Why?", "auto", tools=frozenset({"weather"}))
    turn = (
        ChatTurn(question, Sink(), Terms()) if kind is ChatTurn else SessionTurn(question, Sink(), Terms(), timestamp=0)
    )
    turn.begin()
    turn.push(INVOKE, invoke())
    gone = weakref.ref(turn)
    gc.disable()
    try:
        del turn
        assert gone() is None
    finally:
        gc.enable()


def test_a_request_to_run_a_tool_is_answered_and_another_is_acknowledged() -> None:
    """Only what asks for a tool is told how the tool went."""
    turn = turn_into(Sink())
    asked = turn.reply(INVOKE, invoke())
    assert isinstance(asked, Result)
    assert isinstance(asked.value, dict)
    assert asked.value["success"] is True
    assert turn.reply("other", invoke()).value is None


def test_a_call_counts_as_life_and_leaves_nothing_but_the_end_to_wait_for() -> None:
    """It reaches the client, Lingma is told of it once, and its session is the turn's."""
    sink = Sink()
    turn = turn_into(sink)
    turn.push(INVOKE, invoke())
    assert sink.events == [CALL]
    assert (turn.answer.signs, turn.settling, turn.session_id) == (1, 1, "s-1")
    (told,) = turn.take_outgoing()
    assert isinstance(told, Request)
    assert told.method == "tool/invokeResult"
    assert turn.take_outgoing() == []


@pytest.mark.parametrize(("named", "asked_in", "told"), [("s-1", "s-0", "s-1"), ("", "s-0", "s-0")])
def test_a_call_is_decided_in_the_session_that_it_is_reported_from(named: str, asked_in: str, told: str) -> None:
    """A report that names none is one of the session that was asked in."""
    turn = turn_into(Sink(), asked_in)
    turn.push(TOOL_REPORT, report(sessionId=named))
    (approved,) = turn.take_outgoing()
    assert isinstance(approved, Request)
    assert (approved.method, approved.params["sessionId"]) == ("tool/call/approve", told)
    assert turn.answer.signs == 1


@pytest.mark.parametrize("silent", [False, True])
def test_a_call_that_was_approved_and_never_asked_for_is_made_at_the_end(silent: bool) -> None:
    """Whether Lingma ends the turn or falls silent, the client gets the call before the end."""
    sink = Sink()
    turn = turn_into(sink)
    turn.push(TOOL_REPORT, report())
    assert sink.events == []
    if silent:
        turn.end_by_idle()
    else:
        turn.push("chat/finish", {"sessionId": "s-1", "statusCode": 200, "reason": ""})
    assert sink.events == [ToolCall("call_1", "weather", "{}"), Finished("s-1", keep=not silent)]


@pytest.mark.parametrize("method", sorted(ERROR_PUSHES))
@pytest.mark.parametrize("params", [{"message": "why", "error": "x"}, {"error": "why"}])
def test_an_error_in_the_place_of_an_end_fails_the_turn(method: str, params: dict[str, Any]) -> None:
    """In Lingma's words, under either name."""
    sink = Sink()
    turn_into(sink).push(method, params)
    assert sink.events == [Failed(REPORTED_ERROR, "why")]


def test_a_filter_that_took_too_long_fails_the_turn() -> None:
    """It has a status of its own, since it may be asked again."""
    sink = Sink()
    turn_into(sink).push("chat/filterTimeout", {})
    assert sink.events == [Failed(FILTER_TIMEOUT, "")]


@pytest.mark.parametrize(("more", "end"), [(False, Failed(REPORTED_ERROR, "why")), (True, Failed(SILENCE, ""))])
def test_a_doubtful_error_is_this_turns_if_nothing_follows(more: bool, end: Failed) -> None:
    """A sign of life after it says that it was another's."""
    sink = Sink()
    turn = turn_into(sink)
    turn.push("chat/answer", {"sessionId": "s-1", "text": ""})
    turn.doubt({"message": "why"})
    if more:
        turn.push("chat/answer", {"sessionId": "s-1", "text": ""})
    turn.end_by_idle()
    assert sink.events == [end]


def test_nothing_is_read_after_the_end() -> None:
    """A push that comes late changes nothing, and is no sign of life."""
    sink = Sink()
    turn = turn_into(sink)
    turn.push("chat/filterTimeout", {})
    turn.push(INVOKE, invoke())
    assert sink.events == [Failed(FILTER_TIMEOUT, "")]
    assert (turn.answer.signs, turn.take_outgoing()) == (0, [])


# --- pushes that came together ---------------------------------------------------------------------------------------

Dialect: TypeAlias = Literal["chat", "session"]

PIECES = ["", "a", "Wor", "d ", "\n", "`", "``", "```", "````think::", "````\n", "toolCall::look::call_1::", "<think>"]
texts = st.tuples(st.just("text"), st.sampled_from(PIECES))
others = st.sampled_from(
    [
        ("thought", "hm"),
        ("overwrite", "Word"),
        ("filtered", "x"),
        ("no text", ""),
        ("rename", "a"),
        ("nameless", "a"),
        ("card", "call_1"),
        ("call", "call_1"),
        ("error", "broken"),
        ("finish", ""),
    ]
)
Said: TypeAlias = tuple[str, str]


def turn_in(sink: Sink, dialect: Dialect) -> LingmaTurn:
    """A turn whose question is out."""
    question = Question("r", "Why?", "auto", session_id="s", tools=frozenset({"look"}))
    if dialect == "chat":
        turn: LingmaTurn = ChatTurn(question, sink, Terms())
    else:
        turn = SessionTurn(question, sink, Terms("session"), timestamp=1)
    turn.begin()
    return turn


CHAT: dict[str, tuple[str, dict[str, Any]]] = {
    "text": ("chat/answer", {"overwrite": False}),
    "thought": ("chat/think", {}),
    "overwrite": ("chat/answer", {"overwrite": True}),
    "filtered": ("chat/answer", {"isFiltered": True}),
    "no text": ("chat/answer", {"text": 7}),
    "rename": ("chat/answer", {"sessionId": "other"}),
    "nameless": ("chat/answer", {"sessionId": None, "text": None, "content": "a"}),
    "finish": ("chat/finish", {"statusCode": 200}),
}


def chat(kind: str, text: str) -> Push:
    """A push of `chat/*`."""
    method, more = CHAT[kind]
    return method, {"requestId": "r", "sessionId": "s", "text": text, **more}


def session(kind: str, text: str) -> Push:
    """A push of `session/*`."""
    about: dict[str, Any] = {"sessionId": "s", "_meta": {"ai-coding/request-id": "r"}}
    update: dict[str, Any] = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
    match kind:
        case "thought":
            update["sessionUpdate"] = "agent_thought_chunk"
        case "no text":
            update["content"] = 7
        case "rename":
            about["sessionId"] = "other"
        case "nameless":
            del about["sessionId"]
        case "finish":
            data = {"reason": "", "statusCode": 200}
            update = {"sessionUpdate": "notification", "type": "chat_finish", "data": data}
    return "session/update", {**about, "update": update}


def said_in(dialect: Dialect, said: Said) -> Push:
    """What was said, as a push."""
    match said:
        case "error", text:
            return "error", {"requestId": "r", "message": text}
        case "card", call_id:
            report = {"toolCallId": call_id, "toolCallStatus": "pending", "name": "look"}
            return "tool/call/sync", {"requestId": "r", "sessionId": "s", **report}
        case "call", call_id:
            invoked = {"toolCallId": call_id, "name": "look", "parameters": {}}
            return "tool/invoke", {"requestId": "r", "sessionId": "s", **invoked}
        case kind, text:
            return (chat if dialect == "chat" else session)(kind, text)


def joined(events: list[Event]) -> list[Event]:
    """The events with deltas of one kind that lie side by side as one."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta):
            found[-1] = TextDelta(last.text + event.text)
        elif isinstance(event, ThoughtDelta) and isinstance(last, ThoughtDelta):
            found[-1] = ThoughtDelta(last.text + event.text)
        else:
            found.append(event)
    return found


def state(turn: LingmaTurn, sink: Sink) -> dict[str, object]:
    """All that can be seen of a turn."""
    answer = turn.answer
    return {
        "events": joined(sink.events),
        "signs": answer.signs,
        "deltas": answer.deltas,
        "calls": answer.calls,
        "ended": answer.ended,
        "confirmed": answer.confirmed,
        "session": answer.session_id,
        "settling": turn.settling,
        "aliases": turn.aliases,
        "outgoing": [(message.method, message.params) for message in turn.take_outgoing()],
    }


@pytest.mark.parametrize("dialect", ["chat", "session"])
@given(groups=st.lists(st.lists(st.one_of(texts, texts, texts, others), max_size=12), max_size=4))
def test_pushes_that_came_together_mean_what_each_does_alone(dialect: Dialect, groups: list[list[Said]]) -> None:
    """However they are grouped: the same events, calls and counts, and the same to be sent."""
    together, alone = Sink(), Sink()
    first, second = turn_in(together, dialect), turn_in(alone, dialect)
    for group in groups:
        pushes = [said_in(dialect, said) for said in group]
        first.push_all(pushes)
        for method, params in pushes:
            second.push(method, params)
        assert state(first, together) == state(second, alone)


@pytest.mark.parametrize("dialect", ["chat", "session"])
def test_text_that_came_together_is_one_event(dialect: Dialect) -> None:
    """Of a burst there are hundreds of deltas: counted each, and told once."""
    sink = Sink()
    turn = turn_in(sink, dialect)
    turn.push_all([said_in(dialect, ("text", "first "))])
    turn.push_all([said_in(dialect, ("text", piece)) for piece in ("a", "", "b", "c")])
    assert sink.events == [TextDelta("first "), TextDelta("abc")]
    assert (turn.answer.deltas, turn.answer.signs) == (4, 5)
