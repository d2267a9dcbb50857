"""The agent's end of the pipes, in a test's hands: real lines over memory streams, real JSON-RPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import trio
import trio.testing

from lingma_trio.lingma.acp.pipes import PipeTransport
from lingma_trio.lingma.acp.sessions import AgentSessions
from lingma_trio.lingma.acp.watch import Oddities
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.supervisor import ENDINGS
from lingma_trio.lingma.turn import TurnBounds, UpstreamTurn
from lingma_trio.protocol.acp.messages import AcpTerms, Agent
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.jsonrpc import Connection, Event, Notification, ServerRequest
from lingma_trio.protocol.lines import LineFramer
from lingma_trio.protocol.manners import ACP
from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.turn_machine import Terms
from tests.peers import leaves

Pipes = Callable[[], tuple[trio.abc.Stream, trio.abc.Stream]]
PATIENCE = 10.0  # seconds a test waits for what must come at once, and longer than a cancel is waited for
BOUNDS = TurnBounds(first_delta=120, idle=20, max_size=1000)


class AgentPeer:
    """What stands at the other end. Every message that comes is read here, and only when the test asks for it."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.rpc = Connection(LineFramer())
        self._unread: list[Event] = []
        self._sending = trio.StrictFIFOLock()

    async def send(self, data: bytes) -> None:
        """Send bytes, one sender after the other."""
        async with self._sending:
            await self.stream.send_all(data)

    async def event(self, *, patience: float = PATIENCE) -> Event:
        """What the gateway sent next."""
        while not self._unread:
            with trio.fail_after(patience):
                data = bytes(await self.stream.receive_some())
            assert data, "the gateway has gone"
            self._unread += self.rpc.receive(data)
        return self._unread.pop(0)

    async def called(self, method: str) -> ServerRequest:
        """The gateway's next message, which has to be a request of `method`."""
        event = await self.event()
        assert isinstance(event, ServerRequest), event
        assert event.method == method
        return event

    async def told(self, method: str) -> Notification:
        """The gateway's next message, which has to be a notification of `method`."""
        event = await self.event()
        assert isinstance(event, Notification), event
        assert event.method == method
        return event

    async def silent(self) -> bool:
        """Whether the gateway has sent nothing else by the time at which nothing moves any more."""
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.01):
            self._unread += self.rpc.receive(bytes(await self.stream.receive_some()))
        return not self._unread

    async def answer(self, request: ServerRequest, result: object) -> None:
        """Answer a request of the gateway's."""
        await self.send(self.rpc.answer(request.id, result))

    async def refuse(self, request: ServerRequest, code: int = -32603, message: str = "no") -> None:
        """Answer it with an error."""
        await self.send(self.rpc.refuse(request.id, code, message))

    async def open(self, session_id: str) -> None:
        """Answer the `session/new` that comes next."""
        await self.answer(await self.called("session/new"), {"sessionId": session_id})

    async def say(self, session_id: str, text: str) -> None:
        """Send a piece of an answer."""
        update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
        params = {"sessionId": session_id, "update": update}
        await self.send(self.rpc.notify("session/update", params))


@dataclass
class AgentLink:
    """A channel to a peer, with who sees to its sessions, as in a life of an agent."""

    channel: RpcChannel
    peer: AgentPeer
    sessions: AgentSessions
    oddities: Oddities
    endings: list[Exception] = field(default_factory=list)
    ended: trio.Event = field(default_factory=trio.Event)

    @contextmanager
    def turn(self, session_id: str = "", *, name: str = "a") -> Iterator[UpstreamTurn]:
        """A turn that is closed as its dialogue would, and begins with a new session unless one is named."""
        question = Question(name, "Why?", "org_auto", session_id=session_id, is_reply=bool(session_id))
        turn = UpstreamTurn(self.channel, question, BOUNDS)
        turn.open()
        try:
            yield turn
        finally:
            turn.close()


@asynccontextmanager
async def agent_linked(
    *,
    closes: bool = True,
    deletes: bool = False,
    most: int = 100,
    most_open: int = 100,
    spare: str = "",
    pipes: Pipes = trio.testing.memory_stream_pair,
) -> AsyncIterator[AgentLink]:
    """A channel that runs as in a life of an agent, and its peer. `spare` names a session that is there already."""
    ours, theirs = pipes()
    oddities = Oddities()
    channel = RpcChannel(
        rpc_timeout=30, on_push=lambda _method, _params: None, on_error=lambda _method: None, manners=ACP
    )
    agent = Agent(closes=closes, deletes=deletes)
    channel.terms = Terms("acp", directory="/nowhere", acp=AcpTerms(agent))
    sessions = AgentSessions("acp-0", channel, agent, most=most, most_open=most_open, oddities=oddities)
    channel.sessions, channel.on_room = sessions, sessions.look
    if spare:
        sessions.made(Opened(spare))
    link = AgentLink(channel, AgentPeer(theirs), sessions, oddities)

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        try:
            async with trio.open_nursery() as life:
                await life.start(channel.run, PipeTransport(ours))
                life.start_soon(sessions.run)
                task_status.started()
        except* ENDINGS as group:
            link.endings += leaves(group)
        link.ended.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        yield link
        nursery.cancel_scope.cancel("the test is over")
