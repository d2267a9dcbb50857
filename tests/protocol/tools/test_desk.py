"""Each tool call is dealt with once: the client's reach the client, Lingma's own run only where the operator allows."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.tools.cards import ToolCard
from lingma_trio.protocol.tools.desk import MAX_CALLS, ToolDesk
from lingma_trio.protocol.tools.events import ELSEWHERE, UNSUPPORTED
from lingma_trio.turns import ToolCall

CALL = ToolCall("call_1", "weather", '{"city":"Oslo"}')


def desk_for(*tools: str, allowed: tuple[str, ...] = ()) -> tuple[ToolDesk, list[ToolCall]]:
    """A desk for a client with these tools, and the calls that reach the client."""
    question = Question("r", "Why?", "auto", tools=frozenset(tools))
    desk = ToolDesk(question, allowed=frozenset(allowed))
    return desk, desk.calls


def report(status: str = "PENDING", **members: object) -> dict[str, Any]:
    """A `tool/call/sync`."""
    return {"requestId": "r", "sessionId": "s", "toolCallId": "call_1", "toolCallStatus": status, **members}


def invoke(**members: object) -> dict[str, Any]:
    """A `tool/invoke`."""
    return {"toolCallId": "call_1", "name": "weather", "parameters": {"city": "Oslo"}, "async": False, **members}


def told(desk: ToolDesk) -> list[tuple[str, object]]:
    """What Lingma is told, with what matters of it."""
    found = [(sent.method, sent.params.get("approval", sent.params.get("success"))) for sent in desk.outgoing]
    desk.outgoing.clear()
    return found


def test_a_call_of_the_clients_reaches_the_client_and_lingma_is_answered() -> None:
    """Lingma is told at once that the call succeeded elsewhere, so that it does not wait for a result."""
    desk, calls = desk_for("weather")
    assert desk.reply(invoke()) == {
        "toolCallId": "call_1",
        "name": "weather",
        "success": True,
        "errorMessage": "",
        "result": {"content": ELSEWHERE},
        "startTime": 0,
        "timeConsuming": 0,
    }
    desk.invoked(invoke())
    assert calls == [CALL]
    assert told(desk) == []


def test_a_number_beyond_all_bounds_is_none() -> None:
    """`1e400` can be read and not be written: what a client is given is JSON."""
    desk, calls = desk_for("weather")
    desk.invoked(invoke(parameters={"degrees": float("inf")}))
    assert calls == [ToolCall("call_1", "weather", '{"degrees":null}')]


def test_an_asynchronous_call_is_acknowledged_and_then_answered() -> None:
    """The acknowledgement is empty; the result is a request of its own."""
    desk, calls = desk_for("weather")
    assert desk.reply(invoke(**{"async": True})) == {}
    desk.invoked(invoke(**{"async": True}))
    assert calls == [CALL]
    assert told(desk) == [("tool/invokeResult", True)]


def test_a_call_that_cannot_be_answered_is_told_its_result() -> None:
    """Where the request carries no id, the result goes as a request of its own too."""
    desk, calls = desk_for("weather")
    desk.invoked(invoke())
    assert calls == [CALL]
    assert told(desk) == [("tool/invokeResult", True)]


def test_a_tool_that_nobody_declared_is_declined() -> None:
    """Neither the client nor the gateway has it, whatever the policy says: the gateway runs nothing."""
    desk, calls = desk_for("other", allowed=("weather",))
    reply = desk.reply(invoke())
    assert (reply["success"], reply["errorMessage"], reply["result"]) == (False, UNSUPPORTED, {})
    desk.invoked(invoke())
    assert calls == []
    assert told(desk) == []


def test_a_call_is_made_once() -> None:
    """Lingma may report and ask as often as it likes; each request is answered."""
    desk, calls = desk_for("weather")
    desk.reported(report(name="weather", parameters={"city": "Oslo"}), session_id="s")
    desk.reported(report("processing"), session_id="s")
    for _ in range(2):
        assert desk.reply(invoke())["success"] is True
        desk.invoked(invoke())
    desk.settle()
    assert calls == [CALL]
    assert told(desk) == [("tool/call/approve", True), ("tool/invokeResult", True)]


def test_a_pending_call_without_arguments_waits_to_be_asked_for() -> None:
    """It is approved; what it is called with comes with the request to run it."""
    desk, calls = desk_for("weather")
    desk.reported(report(name="weather", parameters={}), session_id="s")
    assert (calls, told(desk)) == ([], [("tool/call/approve", True)])
    desk.invoked(invoke())
    assert calls == [CALL]


def test_an_approved_call_that_is_never_asked_for_is_made_at_the_end() -> None:
    """Some runtimes ask for nothing, and some tools take no arguments."""
    desk, calls = desk_for("weather")
    desk.reported(report(name="weather"), session_id="s")
    desk.settle()
    assert calls == [ToolCall("call_1", "weather", "{}")]


@pytest.mark.parametrize(
    ("declared", "allowed", "approval"),
    [((), (), False), ((), ("weather",), True), ((), ("other",), False), (("other",), (), False)],
)
def test_lingmas_own_tools_are_the_operators_to_allow(
    declared: tuple[str, ...], allowed: tuple[str, ...], approval: bool
) -> None:
    """What the client did not declare is refused unless the policy names it, and never reaches the client."""
    desk, calls = desk_for(*declared, allowed=allowed)
    desk.reported(report(name="weather", parameters={"city": "Oslo"}), session_id="s")
    desk.settle()
    assert (calls, told(desk)) == ([], [("tool/call/approve", approval)])


def test_a_clients_tool_with_the_name_of_lingmas_own_is_not_approved() -> None:
    """Lingma would run it on the gateway's host; the client gets the call all the same."""
    desk, calls = desk_for("list_dir", allowed=("list_dir",))
    desk.reported(report(name="list_dir", parameters={"path": "/"}), session_id="s")
    assert calls == [ToolCall("call_1", "list_dir", '{"path":"/"}')]
    assert told(desk) == [("tool/call/approve", False)]


def test_a_call_without_a_name_is_refused() -> None:
    """Nobody knows what it would do."""
    desk, calls = desk_for("weather", allowed=("weather",))
    desk.reported(report(parameters={"city": "Oslo"}), session_id="s")
    assert (calls, told(desk)) == ([], [("tool/call/approve", False)])


def test_a_card_names_a_call() -> None:
    """Where the report leaves the name out, the answer's markup has it."""
    desk, calls = desk_for("weather")
    desk.note(ToolCard("weather", "call_1"))
    desk.reported(report(parameters={"city": "Oslo"}), session_id="s")
    assert calls == [CALL]


def test_a_decision_names_the_turn_and_the_call() -> None:
    """Also where the report names neither."""
    desk, _calls = desk_for("weather")
    desk.reported({"toolCallId": "call_1", "status": "pending"}, session_id="s-9")
    (sent,) = desk.outgoing
    assert sent.params == {
        "type": "tool_call",
        "sessionId": "s-9",
        "requestId": "r",
        "toolCallId": "call_1",
        "approval": False,
    }


@pytest.mark.parametrize("status", ["INIT", "running", "FINISHED", "ERROR", "CANCELLED", "REQUEST_FINISHED", ""])
def test_only_a_call_that_waits_is_decided(status: str) -> None:
    """All other reports are news and no question."""
    desk, calls = desk_for("weather")
    desk.reported(report(status, name="weather", parameters={"city": "Oslo"}), session_id="s")
    assert (calls, told(desk)) == ([], [])


def test_a_call_without_an_id_is_nobodys() -> None:
    """It could not be told from another one."""
    desk, calls = desk_for("weather")
    assert desk.reply(invoke(toolCallId=""))["success"] is False
    desk.invoked(invoke(toolCallId=""))
    desk.reported(report(toolCallId="", name="weather"), session_id="s")
    assert (calls, told(desk)) == ([], [])


def test_calls_are_bounded() -> None:
    """A model that goes round in circles is not followed for ever."""
    desk, calls = desk_for("weather")
    for number in range(MAX_CALLS + 10):
        desk.invoked(invoke(toolCallId=f"call_{number}"))
    assert len(calls) == MAX_CALLS
    assert desk.reply(invoke(toolCallId="call_more"))["success"] is False


def test_lingma_is_told_of_a_call_once_however_often_it_asks() -> None:
    """A second request for the same call is one that was answered already."""
    desk, calls = desk_for("weather")
    desk.invoked(invoke())
    desk.invoked(invoke())
    assert told(desk) == [("tool/invokeResult", True)]
    assert calls == [CALL]
