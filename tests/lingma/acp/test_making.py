"""How an agent's sessions are made: one at a time, for whoever waits longest, and none of them for two."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import UpstreamError, UpstreamTimeout
from lingma_trio.lingma.acp.making import SessionMaker
from lingma_trio.protocol.acp.messages import Agent
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.request import Refusal, Request
from tests.lingma.acp.peer import agent_linked
from tests.peers import linked

ENDED = {"stopReason": "end_turn"}


async def test_first_turn_has_the_session_of_the_life() -> None:
    """The one that proved the login is as good as new; the next turn makes one of its own."""
    async with agent_linked(spare="S0") as link:
        with link.turn():
            prompt = await link.peer.called("session/prompt")
            assert prompt.params["sessionId"] == "S0"
            await link.peer.answer(prompt, ENDED)
            await wait_all_tasks_blocked()
        with link.turn():
            await link.peer.open("S1")
            assert (await link.peer.called("session/prompt")).params["sessionId"] == "S1"


async def test_turn_that_goes_on_leaves_the_spare_session_to_others() -> None:
    """Only who begins anew takes it."""
    async with agent_linked(spare="S0") as link:
        with link.turn("S9"):
            assert (await link.peer.called("session/prompt")).params["sessionId"] == "S9"
            with link.turn(name="b"):
                assert (await link.peer.called("session/prompt")).params["sessionId"] == "S0"


async def test_session_that_came_too_late_is_kept_for_the_next_turn() -> None:
    """Its client left while it was made; the next one has it, and makes none."""
    async with agent_linked() as link:
        with link.turn(), link.turn(name="b"):
            first = await link.peer.called("session/new")
        assert await link.peer.silent()
        await link.peer.answer(first, {"sessionId": "S1"})
        assert await link.peer.silent()
        with link.turn():
            assert (await link.peer.called("session/prompt")).params["sessionId"] == "S1"


async def test_sessions_are_made_one_at_a_time() -> None:
    """Each is asked for when the one before is there, and goes to whoever has waited longest."""
    async with agent_linked() as link:
        with link.turn(), link.turn(name="b"), link.turn(name="c"):
            for session_id in ("S1", "S2", "S3"):
                opening = await link.peer.called("session/new")
                assert await link.peer.silent()
                await link.peer.answer(opening, {"sessionId": session_id})
                assert (await link.peer.called("session/prompt")).params["sessionId"] == session_id


async def test_session_goes_to_the_next_where_its_turn_left() -> None:
    """Nobody waits for another one while one is being made that nobody else wants."""
    async with agent_linked() as link:
        with link.turn(name="b"):
            with link.turn(name="a"):
                opening = await link.peer.called("session/new")
            await link.peer.answer(opening, {"sessionId": "S1"})
            assert (await link.peer.called("session/prompt")).params["sessionId"] == "S1"
            assert await link.peer.silent()


async def test_error_fails_one_turn_and_the_next_tries_for_itself() -> None:
    """What is wrong with one need not be wrong with another."""
    async with agent_linked() as link:
        with link.turn() as first, link.turn(name="b"):
            await link.peer.refuse(await link.peer.called("session/new"))
            with pytest.raises(UpstreamError):
                await first.batch(1)
            await link.peer.open("S1")
            assert (await link.peer.called("session/prompt")).params["sessionId"] == "S1"


async def test_session_that_is_given_out_twice_is_nobody_s() -> None:
    """Two clients would go on in one conversation; one that was closed may bear an old name."""
    async with agent_linked(spare="S0") as link:
        with link.turn() as first:
            await link.peer.answer(await link.peer.called("session/prompt"), ENDED)
            with link.turn(name="b") as second:
                await link.peer.open("S0")
                with pytest.raises(UpstreamError, match="a second time"):
                    await second.batch(1)
            await wait_all_tasks_blocked()
        first.discard()
        await link.peer.called("session/close")
        with link.turn(name="c"):
            await link.peer.open("S0")
            assert (await link.peer.called("session/prompt")).params["sessionId"] == "S0"


async def test_session_that_is_never_made_does_not_keep_others_from_theirs(autojump_clock: MockClock) -> None:
    """After the RPC timeout the next one is asked for; what comes late is kept or closed like any other."""
    async with agent_linked() as link:
        with link.turn() as first:
            late = await link.peer.called("session/new")
            with pytest.raises(UpstreamTimeout):
                await first.batch(math.inf)
        with link.turn():
            await link.peer.open("S2")
            assert (await link.peer.called("session/prompt")).params["sessionId"] == "S2"
            await link.peer.answer(late, {"sessionId": "S1"})
            assert await link.peer.silent()
            with link.turn(name="b"):
                assert (await link.peer.called("session/prompt")).params["sessionId"] == "S1"


async def test_session_that_was_refused_too_late_is_nobody_s() -> None:
    """Nothing is kept and nothing closed."""
    async with agent_linked() as link:
        with link.turn():
            request = await link.peer.called("session/new")
        await link.peer.refuse(request)
        assert await link.peer.silent()
        with link.turn():
            await link.peer.called("session/new")


@pytest.mark.parametrize("closes", [True, False])
async def test_session_is_deleted_where_the_agent_can(closes: bool) -> None:
    """What clients said is not to lie on its disk for longer than anybody goes on with it."""
    async with agent_linked(closes=closes, deletes=True, spare="S0") as link:
        with link.turn() as turn:
            await link.peer.answer(await link.peer.called("session/prompt"), ENDED)
            await wait_all_tasks_blocked()
        turn.discard()
        for method in (*(["session/close"] if closes else []), "session/delete"):
            assert (await link.peer.called(method)).params == {"sessionId": "S0"}


@dataclass(eq=False)
class Seeker:
    """A turn that waits for a session."""

    got: list[object] = field(default_factory=list)

    def opened(self, request: Request, result: object) -> None:
        self.got.append(result)

    def unopened(self, request: Request, refusal: Refusal) -> None:
        self.got.append(refusal)


async def test_sessions_are_counted_with_those_that_are_waited_for() -> None:
    """Each once, from when it is waited for; whoever has the clock is told of each that is begun."""
    async with linked() as link:
        begun: list[int] = []
        maker = SessionMaker(link.channel, Agent(), on_begun=lambda: begun.append(maker.count(0)))
        assert (maker.count(0), maker.missed) == (0, 0)
        maker.put(Opened.read({"sessionId": "S0"}))
        assert (maker.count(0), maker.count(2)) == (1, 3)
        first, second = Seeker(), Seeker()
        new = Request("session/new", {}, awaited=True)
        maker.seek(first, new)
        assert (maker.count(0), begun) == (2, [2])
        maker.seek(second, new)
        assert (maker.count(0), maker.count(1), begun) == (3, 4, [2])
        await link.peer.answer(await link.peer.called("session/new"), {"sessionId": "S1"})
        await wait_all_tasks_blocked()
        assert (first.got, begun) == ([{"sessionId": "S1"}], [2, 3])
        assert (maker.count(0), maker.beyond(2), maker.beyond(1), maker.beyond(0)) == (3, [], ["S0"], ["S0", "S1"])
        late = await link.peer.called("session/new")
        maker.give_up()
        assert maker.missed == 1
        maker.give_up()
        assert maker.missed == 2
        await link.peer.answer(late, {"sessionId": "S2"})
        await wait_all_tasks_blocked()
        assert (second.got, maker.missed) == ([{"sessionId": "S2"}], 0)
