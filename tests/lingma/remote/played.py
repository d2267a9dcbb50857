"""An agent in a test's hands: real WebSockets over memory streams, and no process behind them."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from lingma_trio.errors import StateDown
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.remote.agents import Agents
from lingma_trio.lingma.remote.dial import Dialler
from lingma_trio.lingma.remote.instance import RemoteInstance
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.protocol.fleet_messages import LIFE_OVER, STATE, FleetState, InstanceReport, LoginReport
from lingma_trio.protocol.jsonrpc import Connection, Notification, ServerRequest
from tests.peers import MODELS, LingmaPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

TOKEN = "a-token-of-the-test"
RPC_TIMEOUT = 7.0
LOGIN = LoginReport("needs_human", "no account is configured", "https://example.com/login", 7.0)


def report(name: str = "one.lingma-0", **more: object) -> InstanceReport:
    """An instance that is ready, but for what is said otherwise."""
    told = InstanceReport(
        name, life="life-1", state="ready", account="ann", models=Catalogue.read(MODELS).models, generation=1
    )
    return replace(told, **more)  # type: ignore[arg-type] # the fields' own types


@dataclass
class PlayedAgent:
    """An agent at `address`. `reports` is what it tells, at once to whoever comes and with `tell`.

    `wishes` are what gateways asked for, each answered with what `answers` has under its method; a text refuses it.
    """

    address: AgentAddress
    nursery: trio.Nursery
    reports: list[InstanceReport]
    name: str = "one"
    boot: str = "boot-1"
    stopping: bool = False
    notice: str = ""
    status: int = 0
    answers: dict[str, object] = field(default_factory=dict)
    wishes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._fleet: list[tuple[WebSocketConnection, Connection]] = []
        self._streams: list[trio.abc.Stream] = []
        self._scopes: list[trio.CancelScope] = []
        self._peers, self.peers = trio.open_memory_channel[LingmaPeer](100)
        self.up = True
        self.beats = True
        self.pings = True
        self.mute = False  # of how its instances stand, and of nothing else
        self.silent = False  # where it is asked for something
        self.junk = False  # in place of any message

    async def open_stream(self, address: AgentAddress) -> trio.abc.Stream:
        """As `dial.OpenStream`."""
        await trio.lowlevel.checkpoint()
        if not self.up:
            raise ConnectionRefusedError(111, "Connection refused")
        ours, theirs = trio.testing.memory_stream_pair()
        self._streams.append(theirs)
        self.nursery.start_soon(self.serve, theirs)
        return ours

    async def tell(self, *reports: InstanceReport) -> None:
        """Have these instances from now on, or those that are there, and tell everybody."""
        self.reports = [*reports] or self.reports
        for socket, rpc in [*self._fleet]:
            with suppress(ConnectionClosed):
                await self._tell(socket, rpc)

    async def beat(self) -> None:
        """Tell everybody each second how it stands, as agents do."""
        while True:
            await trio.sleep(1)
            if self.beats:
                await self.tell()

    async def vanish(self) -> None:
        """Break every connection off, and take no new one."""
        self.up = False
        self._fleet.clear()
        for scope in self._scopes:
            scope.cancel("the agent is gone")
        for stream in self._streams:
            await trio.aclose_forcefully(stream)
        self._streams.clear()

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one gateway's connection."""
        with trio.CancelScope() as scope:
            self._scopes.append(scope)
            request = await wrap_server_stream(self.nursery, stream, message_queue_size=1000, max_message_size=2**26)
            self.paths.append(request.path)
            token = dict(request.headers).get(b"authorization", b"").decode()
            name, _, life = request.path.removeprefix("/instance/").partition("/")
            if self.status or token != ("" if self.address.scheme == "wss" else f"Bearer {TOKEN}"):
                await request.reject(self.status or 401)
            elif request.path == "/fleet":
                await self._tell_and_hear(await request.accept())
            elif any((each.name, each.life) == (name, life) for each in self.reports):
                socket = await request.accept()
                self.nursery.start_soon(self._pulse, socket)
                await self._peers.send(LingmaPeer(socket))
            else:
                socket = await request.accept()
                await socket.aclose(code=LIFE_OVER, reason="the life is over")

    async def _pulse(self, socket: WebSocketConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await trio.sleep(0.4)
                if self.pings:
                    await socket.ping()

    async def _tell(self, socket: WebSocketConnection, rpc: Connection) -> None:
        state = FleetState(self.name, self.boot, "", self.stopping, tuple(self.reports), self.notice)
        told = "?" if self.junk else rpc.notify("other" if self.mute else STATE, state.body()).decode()
        await socket.send_message(told)

    async def _tell_and_hear(self, socket: WebSocketConnection) -> None:
        rpc = Connection()
        self._fleet.append((socket, rpc))
        try:
            await self._tell(socket, rpc)
            while True:
                message = await socket.get_message()
                for event in rpc.receive(message.encode() if isinstance(message, str) else message):
                    assert isinstance(event, Notification | ServerRequest)
                    self.wishes.append((event.method, event.params))
                    if isinstance(event, ServerRequest) and not self.silent:
                        answer = self.answers.get(event.method, {})
                        frame = (
                            rpc.refuse(event.id, -32000, answer)
                            if isinstance(answer, str)
                            else rpc.answer(event.id, answer)
                        )
                        await socket.send_message(frame.decode())
        except ConnectionClosed:
            return


@dataclass
class Reach:
    """A gateway's side: its pool, and the agents that fill it."""

    pool: Pool
    agents: Agents
    played: list[PlayedAgent]
    changes: list[int] = field(default_factory=list)

    @property
    def one(self) -> PlayedAgent:
        """The first agent."""
        return self.played[0]

    def instance(self, name: str = "one.lingma-0") -> RemoteInstance:
        """The instance of that name."""
        found = self.pool.named(name)
        assert isinstance(found, RemoteInstance)
        return found

    async def until(self, what: Callable[[], object]) -> None:
        """Wait for something that has to come."""
        with trio.fail_after(100):
            while not what():  # noqa: ASYNC110 - many parts change what is waited for
                await trio.sleep(0.01)

    async def ready(self, name: str = "one.lingma-0") -> LingmaPeer:
        """The peer of that instance's life, which can be asked."""
        await self.until(lambda: self.pool.named(name) is not None and self.instance(name).lives.connected)
        return await self.instance_peer()

    async def instance_peer(self) -> LingmaPeer:
        """The next life's peer."""
        with trio.fail_after(100):
            return await self.one.peers.receive()


@asynccontextmanager
async def reaching(
    *agents: list[InstanceReport], token: str = TOKEN, registered: list[str] | None = None, session_ttl: float = 0
) -> AsyncIterator[Reach]:
    """A gateway that reaches an agent for each list of reports, for the length of the block; those that are
    `registered` as soon as they are, where such a list is given.
    """
    async with trio.open_nursery() as nursery:
        played = {}
        for number, reports in enumerate(agents, start=1):
            address = AgentAddress("wss", f"agent-{number}", 8327)
            played[address] = PlayedAgent(address, nursery, reports, name=f"agent-{number}", boot=f"boot-{number}")
            nursery.start_soon(played[address].beat)

        async def open_stream(address: AgentAddress) -> trio.abc.Stream:
            return await played[replace(address, at="")].open_stream(address)

        async def find(address: AgentAddress) -> list[AgentAddress]:
            await trio.lowlevel.checkpoint()
            return [address]

        async def read() -> list[str]:
            await trio.lowlevel.checkpoint()
            if registered is None or not registered:
                raise StateDown("the store is away")
            return registered

        pool = Pool([])
        dialler = Dialler(open_stream, token)
        if registered is None:
            reached = Agents(played, pool, dialler, find=find, rpc_timeout=RPC_TIMEOUT, session_ttl=session_ttl)
        else:
            reached = Agents([], pool, dialler, find=find, registered=read)
        reach = Reach(pool, reached, [*played.values()])
        pool.on_change = lambda: reach.changes.append(len(pool.instances))
        nursery.start_soon(reach.agents.keep)
        yield reach
        nursery.cancel_scope.cancel("the test is over")
