"""The world of a sweep with an agent upstream: the same steps of the same scenarios, in the words of ACP."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import trio
from trio.testing import wait_all_tasks_blocked

from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.jsonrpc import Notification, ServerRequest
from lingma_trio.sessions.book import Session, SessionBook
from lingma_trio.state.sessions_memory import MemorySessions
from tests.lingma.acp.peer import AgentLink, agent_linked
from tests.peers import LinkedInstance
from tests.sweep import Scenario, Step, World, services_for

ERRORS = {31404: (-32602, "Session not found"), 403: (-32603, "429 Too Many Requests")}
REFUSED = 601


class ScriptedAgent:
    """Plays a scenario's steps to every prompt. `fates` are as a Lingma's; `opened` are the sessions that it holds."""

    # A cancel may cross the response on its way.
    proper: tuple[list[str], ...] = (["ended"], ["stopped"], ["ended", "stopped"])

    def __init__(self, link: AgentLink) -> None:
        self.scripts: list[list[Step]] = []
        self.fates: dict[str, list[str]] = {}
        self.opened: set[str] = set()
        self._link = link
        self._peer = link.peer
        self._numbers = count(1)
        self._writing = trio.Lock()
        self._playing: dict[str, tuple[ServerRequest, trio.CancelScope]] = {}

    def prepare(self, scenario: Scenario, held: str) -> None:
        """Forget the run before, and hold that session."""
        self.scripts = [scenario.first, scenario.second]
        self.fates = {}
        spare = self._link.sessions.take()
        self._link.sessions.made(Opened(held))
        self._link.sessions.take()
        self.opened = {held}
        if spare is not None:
            self._link.sessions.made(spare)
            self.opened.add(spare.session_id)

    @property
    def held(self) -> int:
        """How many sessions it holds beside one that was made for nobody yet and is kept for whoever comes."""
        return len(self.opened) - ("spare=True" in repr(self._link.sessions))

    async def answer_all(self) -> None:
        """Answer whatever comes, for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                for event in self._peer.rpc.receive(bytes(await self._peer.stream.receive_some())):
                    if isinstance(event, ServerRequest):
                        await self._take(event, nursery)
                    elif isinstance(event, Notification):
                        await self._cancel(event)

    async def _take(self, request: ServerRequest, nursery: trio.Nursery) -> None:
        session = str(request.params.get("sessionId"))
        match request.method:
            case "session/new":
                session = f"n-{next(self._numbers)}"
                self.opened.add(session)
                await self._answer(request, {"sessionId": session})
            case "session/close":
                self.opened.discard(session)
                await self._answer(request, {})
            case "session/prompt":
                assert session in self.opened
                self.fates[session] = []
                scope = trio.CancelScope()
                self._playing[session] = request, scope
                nursery.start_soon(self._play, session, request, scope, self.scripts.pop(0))
            case method:
                raise AssertionError(method)

    async def _cancel(self, told: Notification) -> None:
        assert told.method == "session/cancel"
        session = told.params["sessionId"]
        self.fates[session].append("stopped")
        if session in self._playing:
            request, scope = self._playing.pop(session)
            scope.cancel("stopped")
            await self._update(session, "late")
            await self._answer(request, {"stopReason": "cancelled"})

    async def _play(self, session: str, request: ServerRequest, scope: trio.CancelScope, script: list[Step]) -> None:
        with scope:
            for kind, value in script:
                match kind:
                    case "pause":
                        await trio.sleep(value)
                    case "text":
                        await self._update(session, value)
                    case "step":
                        await self._update(session)
                    case _:
                        if self._playing.pop(session, None) is None:
                            return  # stopped just now
                        self.fates[session].append("ended")
                        await self._end(request, kind, value)
                        return

    async def _end(self, request: ServerRequest, kind: str, status: object) -> None:
        if kind == "error":
            await self._send(self._peer.rpc.refuse(request.id, -32603, str(status)))
        elif status in ERRORS:
            await self._send(self._peer.rpc.refuse(request.id, *ERRORS[int(str(status))]))
        else:
            await self._answer(request, {"stopReason": "refusal" if status == REFUSED else "end_turn"})

    async def _update(self, session: str, text: str | None = None) -> None:
        """Send a piece of text, or a sign of life."""
        update: dict[str, object] = {"sessionUpdate": "plan", "entries": []}
        if text is not None:
            update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
        await self._send(self._peer.rpc.notify("session/update", {"sessionId": session, "update": update}))

    async def _answer(self, request: ServerRequest, result: object) -> None:
        await self._send(self._peer.rpc.answer(request.id, result))

    async def _send(self, data: bytes) -> None:
        async with self._writing:
            await self._peer.stream.send_all(data)


class SweptAgent(LinkedInstance):
    """An instance that is ready at once, on the channel of an agent."""

    def __init__(self, link: AgentLink, name: str = "acp-0") -> None:
        super().__init__(link.channel, name)
        self._sessions = link.sessions

    def discard(self, session: Session) -> None:
        """As a life of an agent does."""
        self._sessions.discard(session.session_id)


@asynccontextmanager
async def open_agent_world() -> AsyncIterator[World]:
    """As `open_world`, with an agent."""
    async with agent_linked() as link, trio.open_nursery() as nursery:
        instance, agent = SweptAgent(link), ScriptedAgent(link)
        nursery.start_soon(agent.answer_all)
        await wait_all_tasks_blocked()
        book = SessionBook(max_entries=10, ttl=math.inf)
        yield World(services_for([instance], MemorySessions(book)), book, link.channel, instance, agent)
        nursery.cancel_scope.cancel("the sweep is over")
