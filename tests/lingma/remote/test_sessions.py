"""Sessions of an agent elsewhere: asked for at once, told of when nobody goes on with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from trio.testing import wait_all_tasks_blocked

from lingma_trio.lingma.acp.watch import Oddities
from lingma_trio.lingma.remote.sessions import RemoteSessions
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.fleet_messages import KEPT
from lingma_trio.protocol.jsonrpc import Notification
from lingma_trio.protocol.request import Refusal, Request
from tests.peers import Link, linked

NEW = Request("session/new", {"cwd": "/work"}, awaited=True)


@dataclass
class Seeker:
    """A turn that waits for a session."""

    opened_by: list[tuple[Request, object]] = field(default_factory=list)
    unopened_by: list[tuple[Request, Refusal]] = field(default_factory=list)

    def opened(self, request: Request, result: object) -> None:
        self.opened_by.append((request, result))

    def unopened(self, request: Request, refusal: Refusal) -> None:
        self.unopened_by.append((request, refusal))


@dataclass
class House:
    """The sessions of a life on a link, and those that nobody goes on with."""

    link: Link
    dropped: list[str] = field(default_factory=list)
    oddities: Oddities = field(default_factory=Oddities)

    def __post_init__(self) -> None:
        self.sessions = RemoteSessions("acp-0", self.link.channel, self.oddities, discard=self.dropped.append)

    async def answer(self, session_id: str) -> None:
        """Play the agent, which opens a session."""
        await self.link.peer.answer(await self.link.peer.called("session/new"), {"sessionId": session_id})
        await wait_all_tasks_blocked()


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """Sessions, for the length of the block."""
    async with linked() as link:
        yield House(link)


async def test_agent_is_told_how_long_sessions_are_gone_on_with() -> None:
    """Which it cannot know: what is remembered of them is here, or in the store of all gateways."""
    async with house() as here:
        here.sessions.keep_for(1800)
        assert await here.link.peer.event() == Notification(KEPT, {"seconds": 1800})


async def test_each_turn_gets_the_session_that_it_asked_for() -> None:
    """At once, and as many as there are turns: none is kept here."""
    async with house() as here:
        assert here.sessions.take() is None
        first, second = Seeker(), Seeker()
        here.sessions.seek(first, NEW)
        here.sessions.seek(second, NEW)
        await here.answer("s-1")
        await here.answer("s-2")
        assert first.opened_by == [(NEW, {"sessionId": "s-1"})]
        assert second.opened_by == [(NEW, {"sessionId": "s-2"})]
        assert here.dropped == []
        assert "sought=0" in repr(here.sessions)


async def test_turn_is_told_where_none_was_made() -> None:
    """With what the agent says; who left meanwhile is not."""
    async with house() as here:
        seeker, gone = Seeker(), Seeker()
        here.sessions.seek(seeker, NEW)
        here.sessions.seek(gone, NEW)
        here.sessions.leave(gone, None, "")
        for _ in range(2):
            call = await here.link.peer.called("session/new")
            await here.link.peer.send(here.link.peer.rpc.refuse(call.id, -32000, "no room"))
        await wait_all_tasks_blocked()
        ((request, refusal),) = seeker.unopened_by
        assert request == NEW
        assert (refusal.code, refusal.message) == (-32000, "no room")
        assert (gone.opened_by, gone.unopened_by) == ([], [])
        assert "sought=0" in repr(here.sessions)


async def test_session_that_nobody_waits_for_any_more_is_let_go_of() -> None:
    """It alone, and one that was not even named is none."""
    async with house() as here:
        waits, gone = Seeker(), Seeker()
        for seeker in (gone, waits):
            here.sessions.seek(seeker, NEW)
        here.sessions.leave(gone, None, "")
        await here.answer("s-1")
        await here.answer("s-2")
        assert here.dropped == ["s-1"]
        assert waits.opened_by == [(NEW, {"sessionId": "s-2"})]
        here.sessions.seek(gone, NEW)
        here.sessions.leave(gone, None, "")
        await here.answer("")
        assert here.dropped == ["s-1"]
        here.sessions.discard("s-2")
        assert here.dropped == ["s-1", "s-2"]


async def test_answer_to_a_prompt_that_was_left_goes_to_nobody() -> None:
    """That the program obeys is seen to where it runs."""
    async with house() as here:
        answered: list[object] = []

        class Turn:
            def answered(self, number: int, result: object) -> None:
                answered.append(result)

            def refused(self, number: int, refusal: Refusal) -> None:
                answered.append(refusal)

        number = here.link.channel.send(Request("session/prompt", {}, awaited=True), Turn())
        call = await here.link.peer.called("session/prompt")
        here.sessions.leave(Seeker(), number, "s-1")
        await here.link.peer.answer(call, {})
        await wait_all_tasks_blocked()
        assert answered == []
        assert here.dropped == []
        assert "asks=0" in repr(here.link.channel)


async def test_tool_that_ran_is_counted() -> None:
    """Also of a turn that was left meanwhile; what else comes then says nothing."""
    async with house() as here:
        update = {"sessionUpdate": "tool_call", "toolCallId": "t", "kind": "execute", "status": "completed"}
        here.sessions.stray("session/update", {"sessionId": "s-1", "update": update})
        here.sessions.stray("session/update", {"sessionId": "s-1", "update": {"sessionUpdate": "plan"}})
        here.sessions.tool_ran("edit")
        here.sessions.tool_ran("edit")
        assert here.oddities.tools_ran == {"execute": 1, "edit": 2}


def test_session_without_a_name_is_none() -> None:
    """So it can be told from one that is to be closed."""
    assert Opened.read({}).session_id == ""
