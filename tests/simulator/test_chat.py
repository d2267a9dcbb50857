"""Chat: questions, stops, sessions and refusals, as a client in memory and under a fake clock sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from pydantic_core import from_json

from lingma_trio.protocol.jsonrpc import ErrorResponse, Response
from tests.simulator.support import question, simulated

if TYPE_CHECKING:
    from pathlib import Path

    import trio.testing

QUICK = ("first=0", "gap=0")


async def test_a_question_is_answered_at_its_pace(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """The first delta comes after `first`, the others `gap` apart to the end, however long the answer is."""
    async with simulated(tmp_path, "first=2", "gap=0.1", "deltas=101", "empties=0") as house:
        caller = await house.connect()
        began = trio.current_time()
        answer = await caller.answer("hello")
        times = [heard.at - began for heard in answer.pushes if heard.method == "chat/answer"]
        assert times == pytest.approx([2 + index / 10 for index in range(101)], abs=0.005)
        assert answer.text == answer.finish["fullAnswer"]


async def test_a_session_remembers_and_another_does_not(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """The answer to a reply proves it."""
    async with simulated(tmp_path, *QUICK) as house:
        caller = await house.connect()
        first = await caller.answer("apples")
        session_id = first.finish["sessionId"]
        await caller.answer("pears", session_id=session_id)
        third = await caller.answer("What did I say first?", session_id=session_id)
        assert "apples" in third.text
        other = await caller.answer("plums")
        assert "(message 1 of this session; the first was: “plums”.)" in other.text
        assert (await caller.call("chat/getSessionById", {"sessionId": session_id}))["sessionTitle"] == "apples"


async def test_answers_of_one_socket_are_interleaved(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Each push belongs to its question, and none waits for another answer's end."""
    async with simulated(tmp_path, "gap=1", "deltas=10") as house:
        caller = await house.connect()
        for request_id in ("a", "b"):
            await caller.ask(request_id, request_id=request_id)
        await caller.rest()
        await caller.rest()
        order = [push.params["requestId"] for push in caller.pushes if push.method == "chat/answer"]
        assert order.index("b") < len(order) - 1 - order[::-1].index("a")
        assert order.count("a") == order.count("b")


async def test_a_directive_holds_for_its_answer_only(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """The next question is answered as the process was told to."""
    async with simulated(tmp_path, *QUICK, "empties=0", "deltas=3") as house:
        caller = await house.connect()
        assert len((await caller.answer("hi\n#simulate deltas=5")).deltas) == 5
        assert len((await caller.answer("hi")).deltas) == 3


async def test_a_wrong_directive_is_an_error(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Not an answer that looks like success: the test that wrote it would prove nothing."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        answer = await caller.answer("hi\n#simulate limit=1")
        assert answer.finish["statusCode"] == 400
        assert "limit" in answer.finish["reason"]


async def test_directives_can_be_turned_off(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Then they are text like any other."""
    async with simulated(tmp_path, *QUICK, "directives=0", "empties=0", "deltas=3") as house:
        caller = await house.connect()
        assert len((await caller.answer("hi\n#simulate deltas=5")).deltas) == 3


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ack=success", {"success": True, "errorCode": "", "errorMessage": ""}),
        ("ack=is_success", {"isSuccess": True, "requestId": "r", "status": "success", "errorMessage": ""}),
    ],
)
async def test_a_question_can_be_acknowledged(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, word: str, expected: dict[str, object]
) -> None:
    """In both spellings, before its answer."""
    async with simulated(tmp_path, word) as house:
        caller = await house.connect()
        assert await caller.call("chat/ask", question("hi", "r")) == expected
        assert caller.pushes == []
        assert (await caller.rest()).finish["statusCode"] == 200


async def test_a_question_can_be_refused_in_its_acknowledgement(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """As an error or as a result that is one; no answer follows."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        failure = await caller.call("chat/ask", question("#simulate ack=failure", "r-1"))
        assert failure["success"] is False
        error = await caller.reply("chat/ask", question("#simulate ack=error", "r-2"))
        assert isinstance(error, ErrorResponse)
        assert (await caller.call("sim/stats"))["active"] == 0


async def test_a_question_sent_as_a_request_gets_no_reply(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """By default: who awaits the reply to chat/ask waits in vain."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        await caller.send(caller.connection.request("chat/ask", question("hi", "r"))[1])
        events = [await caller.event() for _ in range(10)]
        assert not any(isinstance(event, Response) for event in events)


async def test_a_question_needs_a_fresh_id(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """One that is missing or running is refused with an error."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        await caller.ask("hi", request_id="r")
        for request_id in ("", "r"):
            assert isinstance(await caller.reply("chat/ask", question("hi", request_id)), ErrorResponse)


@pytest.mark.parametrize(("word", "late"), [("stop=finish", 0), ("stop=late_chunks", 2)])
async def test_a_stop_ends_the_answer(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, word: str, late: int
) -> None:
    """At once: no more of the answer, what follows is a finish or late chunks and a finish; the session is free."""
    async with simulated(tmp_path, word, "empties=0") as house:
        caller = await house.connect()
        request_id = await caller.ask("hi")
        while (push := await caller.push()).method != "chat/answer":
            pass
        assert await caller.call("chat/stop", {"requestId": request_id}) == {}
        rest = await caller.rest()
        assert rest.deltas == ["…"] * late
        assert rest.finish["reason"] == "cancelled"
        again = await caller.answer("again", session_id=push.params["sessionId"])
        assert again.finish["statusCode"] == 200
        assert (await caller.call("sim/stats"))["stops"] == 1


async def test_a_stop_can_be_met_with_silence(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """The answer is over, and nobody says so."""
    async with simulated(tmp_path, "stop=silence") as house:
        caller = await house.connect()
        request_id = await caller.ask("hi")
        await caller.push()
        before = len(caller.pushes)
        await caller.call("chat/stop", {"requestId": request_id})
        with trio.move_on_after(60):
            await caller.event()
        assert len(caller.pushes) <= before + 1  # the second process step was on its way
        assert (await caller.call("sim/stats"))["active"] == 0


@pytest.mark.parametrize("fault", ["stall_first", "stall_mid", "busy_mid"])
async def test_a_stalled_answer_runs_until_it_is_stopped(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, fault: str
) -> None:
    """It holds its session; after the stop it finishes like any other."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        await caller.ask(f"#simulate fault={fault}")
        await trio.sleep(100)
        assert (await caller.call("sim/stats"))["active"] == 1
        await caller.call("chat/stopSession", {"sessionId": "s-1"})
        assert (await caller.rest()).finish["reason"] == "cancelled"
        assert (await caller.call("sim/stats"))["active"] == 0


async def test_a_stop_for_nothing_is_fine(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """An unknown request, a finished one, none at all."""
    async with simulated(tmp_path, *QUICK) as house:
        caller = await house.connect()
        finished = (await caller.answer("hi")).finish["requestId"]
        for params in ({"requestId": finished}, {"requestId": "unknown"}, {}):
            assert await caller.call("chat/stop", params) == {}


async def test_a_session_answers_one_question_at_a_time(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """A second one gets an error, so that a client which shares a session is found out."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        await caller.ask("hi", session_id="mine")
        second = await caller.ask("hi", session_id="mine")
        finish = (await caller.rest()).finish
        assert (finish["requestId"], finish["statusCode"]) == (second, 409)


async def test_an_unknown_session_is_empty(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """By default a client may bring an id of its own; with the knob that is an error."""
    async with simulated(tmp_path / "fresh", *QUICK, "stale=fresh") as house:
        answer = await (await house.connect()).answer("hi", session_id="unknown")
        assert answer.finish["sessionId"] == "unknown"
        assert "message 1" in answer.text
    async with simulated(tmp_path / "error", *QUICK, "stale=error") as house:
        answer = await (await house.connect()).answer("hi", session_id="unknown")
        assert answer.finish["statusCode"] == 31404
        assert answer.deltas == []


async def test_a_finish_can_rename_the_session(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """The session goes on under the new id; the old one is unknown."""
    async with simulated(tmp_path, *QUICK, "stale=error") as house:
        caller = await house.connect()
        first = await caller.answer("#simulate rename=1\napples")
        assert first.finish["sessionId"] == "s-2"
        assert {push.params["sessionId"] for push in first.pushes if push.method == "chat/answer"} == {"s-1"}
        assert (await caller.answer("pears", session_id="s-1")).finish["statusCode"] == 31404
        assert "apples" in (await caller.answer("plums", session_id="s-2")).text


async def test_sessions_are_listed_and_deleted(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """A deleted one is unknown."""
    async with simulated(tmp_path, *QUICK) as house:
        caller = await house.connect()
        await caller.answer("apples")
        reply = await caller.reply("chat/listAllSessions")
        assert isinstance(reply, Response)
        assert [(each["sessionId"], each["sessionTitle"]) for each in reply.result] == [("s-1", "apples")]
        assert (await caller.call("chat/deleteSessionById", {"sessionId": "s-1"}))["success"] is True
        assert (await caller.call("chat/deleteSessionById", {"sessionId": "s-1"}))["success"] is False
        assert isinstance(await caller.reply("chat/getSessionById", {"sessionId": "s-1"}), ErrorResponse)


async def test_over_the_limit_there_is_an_error(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """A finish with 429, at once; the running answers go on."""
    async with simulated(tmp_path, "limit=2") as house:
        caller = await house.connect()
        for _ in range(2):
            await caller.ask("hi")
        third = await caller.ask("hi")
        finish = (await caller.rest()).finish
        assert (finish["requestId"], finish["statusCode"]) == (third, 429)
        assert [(await caller.rest()).finish["statusCode"] for _ in range(2)] == [200, 200]


async def test_a_model_can_be_left_out_of_the_plan(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """A question for it gets a finish with 403, and any other an answer; the account stays signed in."""
    async with simulated(tmp_path, *QUICK, "uncovered=kmodel") as house:
        caller = await house.connect()
        refused = await caller.answer("hi", extra={"modelConfig": {"key": "kmodel"}})
        answered = await caller.answer("hi", extra={"modelConfig": {"key": "auto"}})
        bare = await caller.answer("hi", extra="nothing that names a model")
        assert [each.finish["statusCode"] for each in (refused, answered, bare)] == [403, 200, 200]
        assert (await caller.call("auth/status"))["status"] == 2


async def test_a_signed_out_simulator_answers_no_question(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """A finish with the status of the knob, or silence."""
    async with simulated(tmp_path / "finish", "login=out", "logged_out_status=401") as house:
        assert (await (await house.connect()).answer("hi")).finish["statusCode"] == 401
    async with simulated(tmp_path / "silence", "login=out", "logged_out_ask=silence") as house:
        caller = await house.connect()
        await caller.ask("hi")
        assert await caller.call("sim/stats") | {"asks": 1, "active": 0, "pushes": 0} == await caller.call("sim/stats")
        assert caller.pushes == []


async def test_a_login_can_expire(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """After its questions the status flips by itself, and questions get an error."""
    async with simulated(tmp_path, *QUICK, "login_lasts=1") as house:
        caller = await house.connect()
        assert (await caller.answer("hi")).finish["statusCode"] == 200
        assert (await caller.call("auth/status"))["status"] == 1
        assert await caller.call("config/queryModels") == {}
        assert (await caller.answer("hi")).finish["statusCode"] == 403


@pytest.mark.parametrize("fault", ["crash_ask", "crash_first_delta", "crash_mid", "crash_finish"])
async def test_a_crash_comes_after_what_was_sent(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, fault: str
) -> None:
    """Everything before it is on the wire, nothing after it."""
    async with simulated(tmp_path, *QUICK, "empties=0", "deltas=10") as house:
        caller = await house.connect()
        await caller.ask(f"#simulate fault={fault}")
        with trio.move_on_after(1):
            while True:
                await caller.event()
        deltas = [push for push in caller.pushes if push.method == "chat/answer"]
        assert len(deltas) == {"crash_ask": 0, "crash_first_delta": 1, "crash_mid": 5, "crash_finish": 10}[fault]
        assert len(house.crashes) == 1


async def test_a_fault_can_strike_a_number_of_times(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Over all processes that use the work directory: how a restart can be seen to help."""
    for _ in range(2):
        async with simulated(tmp_path, *QUICK, "fault=crash_ask", "fault_times=2") as house:
            await (await house.connect()).ask("hi")
            await trio.sleep(1)
            assert len(house.crashes) == 1
    async with simulated(tmp_path, *QUICK, "fault=crash_ask", "fault_times=2") as house:
        assert (await (await house.connect()).answer("hi")).finish["statusCode"] == 200
        assert house.crashes == []


async def test_an_answer_goes_on_without_its_client(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """The pushes are dropped, the session stays busy to the end, and then holds the question."""
    async with simulated(tmp_path, "first=5") as house:
        caller = await house.connect()
        await caller.ask("apples", session_id="mine")
        await caller.call("ping")
        await caller.websocket.aclose()
        other = await house.connect()
        assert (await other.call("sim/stats"))["active"] == 1
        assert (await other.answer("pears", session_id="mine")).finish["statusCode"] == 409
        await trio.sleep(20)
        assert "apples" in (await other.answer("pears", session_id="mine")).text


async def test_a_stall_ends_with_its_client(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Since nobody is left who could stop it."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        await caller.ask("#simulate fault=stall_mid")
        await caller.call("ping")
        await caller.websocket.aclose()
        assert (await (await house.connect()).call("sim/stats"))["active"] == 0


async def test_what_upstream_received_is_on_record(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """With the knob: each question's length and each stop, in order, with the system's monotonic time."""
    async with simulated(tmp_path, "record=1") as house:
        caller = await house.connect()
        request_id = await caller.ask("四个字。", session_id="mine")
        await caller.call("chat/stop", {"requestId": request_id, "sessionId": "mine"})
        ask, stop = map(from_json, (tmp_path / "logs" / "asks.jsonl").read_text().splitlines())
        assert 0 < ask.pop("time") <= stop.pop("time")
        assert ask == {"kind": "ask", "requestId": request_id, "sessionId": "mine", "length": 4}
        assert stop == {"kind": "stop", "requestId": request_id, "sessionId": "mine", "length": 0}


async def test_nothing_is_on_record_without_the_knob(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Since it costs a write for each question."""
    async with simulated(tmp_path, *QUICK) as house:
        await (await house.connect()).answer("hi")
        assert not (tmp_path / "logs" / "asks.jsonl").exists()
