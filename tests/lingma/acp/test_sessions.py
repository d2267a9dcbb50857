"""What becomes of an agent's sessions beside their turns: used, closed, given up, and too many."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import InstanceWorn
from lingma_trio.lingma.acp.sessions import CANCEL_SECONDS, LAST_WORDS, MOST_UNANSWERED, SWEEP
from lingma_trio.protocol.acp.permission import PERMISSION
from lingma_trio.protocol.jsonrpc import Response
from tests.lingma.acp.peer import AgentLink, agent_linked

ENDED = {"stopReason": "end_turn"}
CANCELLED = {"stopReason": "cancelled"}


async def leave_in_the_middle(link: AgentLink, session_id: str) -> object:
    """Have a turn with a new session and leave it unanswered; returns its prompt."""
    with link.turn():
        await link.peer.open(session_id)
        prompt = await link.peer.called("session/prompt")
    assert (await link.peer.told("session/cancel")).params == {"sessionId": session_id}
    return prompt


async def test_cancelled_session_is_closed_once_its_prompt_is_answered() -> None:
    """The cancel goes at once and has no id; the session is closed after the answer, whatever that says, and once."""
    async with agent_linked(spare="S0") as link:
        with link.turn() as turn:
            prompt = await link.peer.called("session/prompt")
        assert (await link.peer.told("session/cancel")).params == {"sessionId": "S0"}
        turn.discard()  # as its dialogue does
        assert link.channel.turns == 0
        await link.peer.say("S0", "too late")
        assert await link.peer.silent()
        await link.peer.answer(prompt, ENDED)
        assert (await link.peer.called("session/close")).params == {"sessionId": "S0"}
        assert await link.peer.silent()
        assert link.oddities.abandoned == 0


async def test_cancelled_session_is_closed_also_after_an_error() -> None:
    """Some agents answer a cancelled prompt with one."""
    async with agent_linked(spare="S0") as link:
        with link.turn():
            prompt = await link.peer.called("session/prompt")
        await link.peer.told("session/cancel")
        await link.peer.refuse(prompt)
        assert (await link.peer.called("session/close")).params == {"sessionId": "S0"}


async def test_whoever_asks_in_a_turn_that_was_left_is_told_that_it_is_cancelled() -> None:
    """Some agents end a cancelled turn only once their question is answered, and then as the protocol wants it."""
    async with agent_linked(spare="S0") as link:
        with link.turn():
            await link.peer.called("session/prompt")
        await link.peer.told("session/cancel")
        options = [{"optionId": "no", "kind": "reject_once", "name": "No"}]
        _, frame = link.peer.rpc.request(PERMISSION, {"sessionId": "S0", "options": options})
        await link.peer.stream.send_all(frame)
        reply = await link.peer.event()
        assert isinstance(reply, Response)
        assert reply.result == {"outcome": {"outcome": "cancelled"}}


async def test_tool_that_ran_is_told_of_also_when_its_turn_was_left() -> None:
    """Whoever has a tool run and leaves at once leaves a trace all the same."""
    async with agent_linked(spare="S0") as link:
        with link.turn():
            await link.peer.called("session/prompt")
        await link.peer.told("session/cancel")
        for status in ("in_progress", "completed"):
            update = {"sessionUpdate": "tool_call_update", "toolCallId": "t", "kind": "execute", "status": status}
            params = {"sessionId": "S0", "update": update}
            await link.peer.stream.send_all(link.peer.rpc.notify("session/update", params))
        await wait_all_tasks_blocked()
        assert link.oddities.tools_ran == {"execute": 1}


async def test_session_that_nobody_goes_on_with_is_closed() -> None:
    """At once, where its turn has ended."""
    async with agent_linked(spare="S0") as link:
        with link.turn() as turn:
            await link.peer.answer(await link.peer.called("session/prompt"), ENDED)
            await wait_all_tasks_blocked()
        assert await link.peer.silent()
        turn.discard()
        assert (await link.peer.called("session/close")).params == {"sessionId": "S0"}


@pytest.mark.parametrize("left", [False, True], ids=["ended", "left"])
async def test_session_in_which_a_turn_runs_is_closed_after_it(*, left: bool) -> None:
    """Once: whoever has the turn may be leaving it, or may not know that nobody is to go on there."""
    async with agent_linked(spare="S0") as link:
        with link.turn():
            prompt = await link.peer.called("session/prompt")
            link.sessions.discard("S0")
            link.sessions.discard("S0")
            assert await link.peer.silent()
            if not left:
                await link.peer.answer(prompt, ENDED)
                await wait_all_tasks_blocked()
        if left:
            await link.peer.told("session/cancel")
            assert await link.peer.silent()
            await link.peer.answer(prompt, CANCELLED)
        assert (await link.peer.called("session/close")).params == {"sessionId": "S0"}
        with link.turn():
            await link.peer.open("S1")
            await link.peer.answer(await link.peer.called("session/prompt"), ENDED)
            await wait_all_tasks_blocked()
        assert await link.peer.silent()


async def test_agent_that_closes_no_sessions_is_not_asked_to() -> None:
    """It would only refuse."""
    async with agent_linked(closes=False, spare="S0") as link:
        with link.turn() as turn:
            prompt = await link.peer.called("session/prompt")
        await link.peer.told("session/cancel")
        await link.peer.answer(prompt, CANCELLED)
        turn.discard()
        link.sessions.discard("S9")
        assert await link.peer.silent()


async def test_cancel_that_is_not_answered_is_given_up(autojump_clock: MockClock) -> None:
    """After CANCEL_SECONDS the session is closed and counted, and a late answer changes nothing."""
    async with agent_linked(spare="S0") as link:
        with link.turn():
            prompt = await link.peer.called("session/prompt")
        await link.peer.told("session/cancel")
        began = trio.current_time()
        assert (await link.peer.called("session/close")).params == {"sessionId": "S0"}
        assert trio.current_time() - began == CANCEL_SECONDS
        assert link.oddities.abandoned == 1
        await link.peer.answer(prompt, CANCELLED)
        assert await link.peer.silent()
        assert not link.sessions.worn


async def test_agent_that_ignores_cancels_is_worn_when_it_is_idle(autojump_clock: MockClock) -> None:
    """A turn that runs is not ended for it, and the life is over with that turn."""
    async with agent_linked() as link:
        with link.turn(name="long"):
            await link.peer.open("long")
            await link.peer.called("session/prompt")
            for number in range(MOST_UNANSWERED):
                assert not link.sessions.worn
                await leave_in_the_middle(link, f"S{number}")
                await link.peer.called("session/close")
            await wait_all_tasks_blocked()
            assert "unanswered" in link.sessions.worn
            assert not link.ended.is_set()
        await link.ended.wait()
    (cause,) = link.endings
    assert isinstance(cause, InstanceWorn)
    assert link.oddities.abandoned == MOST_UNANSWERED


async def test_agent_that_makes_no_session_is_worn(autojump_clock: MockClock) -> None:
    """One that is frozen answers no request for a session either; one that is made forgives those before."""
    async with agent_linked() as link:
        for number in range(2 * MOST_UNANSWERED):
            assert not link.sessions.worn
            with link.turn(name=f"T{number}"):
                asked = await link.peer.called("session/new")
            if number == MOST_UNANSWERED - 1:
                await link.peer.answer(asked, {"sessionId": "spare"})
                await wait_all_tasks_blocked()
                assert link.sessions.take() is not None
            await trio.sleep(link.channel.rpc_timeout + 1)
        with trio.fail_after(CANCEL_SECONDS):
            await link.ended.wait()
    (cause,) = link.endings
    assert f"made none of {MOST_UNANSWERED} sessions" in str(cause)


async def test_answered_cancel_forgives_those_before(autojump_clock: MockClock) -> None:
    """Only so many in a row tell of an agent that does not listen."""
    async with agent_linked() as link:
        for number in range(2 * MOST_UNANSWERED):
            prompt = await leave_in_the_middle(link, f"S{number}")
            if number % 2:
                await link.peer.answer(prompt, CANCELLED)  # type: ignore[arg-type] # it is a request
            await link.peer.called("session/close")
        assert not link.sessions.worn
        assert link.oddities.abandoned == MOST_UNANSWERED


@pytest.mark.parametrize("closes", [False, True])
async def test_sessions_are_counted_where_none_can_be_closed(closes: bool) -> None:
    """The last one allowed is used to its end, and then the process is replaced; one that closes them never is."""
    async with agent_linked(closes=closes, most=2, spare="S0") as link:
        for session_id in ("S0", "S1"):
            assert not link.sessions.worn
            with link.turn():
                if session_id != "S0":
                    await link.peer.open(session_id)
                await link.peer.answer(await link.peer.called("session/prompt"), ENDED)
                await wait_all_tasks_blocked()
                assert not link.ended.is_set()
        await wait_all_tasks_blocked()
        assert link.ended.is_set() is not closes
        assert bool(link.sessions.worn) is not closes
    assert [type(cause) for cause in link.endings] == ([] if closes else [InstanceWorn])


async def test_sessions_that_everybody_forgot_are_closed_once_they_are_too_many() -> None:
    """Those that were made first; but none in which a turn runs."""
    async with agent_linked(most_open=2, spare="S0") as link:

        async def converse(session_id: str) -> None:
            with link.turn(name=session_id):
                await link.peer.open(session_id)
                await link.peer.answer(await link.peer.called("session/prompt"), ENDED)
                await wait_all_tasks_blocked()

        with link.turn():
            prompt = await link.peer.called("session/prompt")
            for session_id in ("S1", "S2", "S3"):
                await converse(session_id)  # when the last begins three are open, and in the oldest a turn runs
            await link.peer.answer(prompt, ENDED)
            await wait_all_tasks_blocked()
        with link.turn(name="S4"):
            closed = [(await link.peer.called("session/close")).params["sessionId"] for _ in range(2)]
            assert closed == ["S0", "S1"]


async def test_session_that_everybody_forgot_is_closed_in_time(autojump_clock: MockClock) -> None:
    """Once nobody can go on with it any more, by the longest time that anybody told; what is used stays."""
    async with agent_linked() as link:
        link.sessions.keep_for(1000)
        link.sessions.keep_for(10)
        for session_id in ("S0", "S1"):
            await begin(link, session_id)
        await trio.sleep(900)
        await converse(link, "S1")
        await trio.sleep(100 + LAST_WORDS - 1)
        assert await link.peer.silent()
        await trio.sleep(SWEEP + 1)
        assert (await link.peer.called("session/close")).params == {"sessionId": "S0"}
        await trio.sleep(900 - SWEEP)
        assert await link.peer.silent()
        await trio.sleep(SWEEP)
        assert (await link.peer.called("session/close")).params == {"sessionId": "S1"}


async def test_session_of_a_turn_that_lasts_is_kept_from_its_end(autojump_clock: MockClock) -> None:
    """However long it takes; and one that nobody uses yet is kept for whoever comes first."""
    async with agent_linked(spare="S0") as link:
        link.sessions.keep_for(1)
        await trio.sleep(LAST_WORDS + 2 * SWEEP)
        with link.turn():
            prompt = await link.peer.called("session/prompt")
            assert prompt.params["sessionId"] == "S0"
            await trio.sleep(LAST_WORDS + 2 * SWEEP)
            await link.peer.answer(prompt, ENDED)
            await wait_all_tasks_blocked()
        await trio.sleep(LAST_WORDS - 1)
        assert await link.peer.silent()
        await trio.sleep(SWEEP + 2)
        assert (await link.peer.called("session/close")).params == {"sessionId": "S0"}


@pytest.mark.parametrize(("closes", "told"), [(True, 0), (False, 10)], ids=["nobody told", "it closes none"])
async def test_session_is_kept_where_nothing_else_is_known(
    autojump_clock: MockClock, *, closes: bool, told: float
) -> None:
    """A gateway of before says nothing; and an agent that cannot close a session is not asked to."""
    async with agent_linked(closes=closes) as link:
        if told:
            link.sessions.keep_for(told)
        await begin(link, "S0")
        await trio.sleep(10_000)
        assert await link.peer.silent()


async def begin(link: AgentLink, session_id: str) -> None:
    """Have a turn in a new session."""
    with link.turn():
        await link.peer.open(session_id)
        await link.peer.answer(await link.peer.called("session/prompt"), ENDED)
        await wait_all_tasks_blocked()


async def converse(link: AgentLink, session_id: str) -> None:
    """Have a turn in a session that is there."""
    with link.turn(session_id):
        prompt = await link.peer.called("session/prompt")
        assert prompt.params["sessionId"] == session_id
        await link.peer.answer(prompt, ENDED)
        await wait_all_tasks_blocked()


async def test_going_on_counts_no_session() -> None:
    """A conversation that goes on has one however long it is."""
    async with agent_linked(closes=False, most=2, spare="S0") as link:
        for _ in range(5):
            with link.turn("S0"):
                await link.peer.answer(await link.peer.called("session/prompt"), ENDED)
                await wait_all_tasks_blocked()
        assert not link.sessions.worn


async def test_turns_that_leave_before_their_session_is_begun_wear_nothing() -> None:
    """What was never made counts for nothing, however often somebody asks and leaves."""
    async with agent_linked(closes=False, most=3) as link:
        with link.turn():
            opening = await link.peer.called("session/new")
            for _ in range(5):
                with link.turn(name="b"):
                    pass
            assert not link.sessions.worn
            await link.peer.answer(opening, {"sessionId": "S1"})
            await link.peer.called("session/prompt")
            assert not link.sessions.worn


async def test_tool_that_ran_all_the_same_is_counted() -> None:
    """By its kind, once for each call, and only where it was carried out."""
    async with agent_linked(spare="S0") as link:
        with link.turn():
            await link.peer.called("session/prompt")
            for call_id, status in (("1", "failed"), ("2", "pending"), ("2", "completed"), ("2", "completed")):
                update = {"sessionUpdate": "tool_call_update", "toolCallId": call_id, "status": status, "kind": "edit"}
                params = {"sessionId": "S0", "update": update}
                await link.peer.stream.send_all(link.peer.rpc.notify("session/update", params))
            await wait_all_tasks_blocked()
    assert link.oddities.tools_ran == {"edit": 1}
