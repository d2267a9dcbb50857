"""A life elsewhere: it can be asked as long as its agent is there and heard, in the way that the agent says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked
from trio_websocket import WebSocketConnection, wrap_server_stream

from lingma_trio.errors import ChannelLost, RateLimited
from lingma_trio.lingma.health import Asked, Health
from lingma_trio.lingma.life import LifeListener
from lingma_trio.lingma.remote.life import ACP_MANNERS, MOST_SILENT, PULSE, RemoteLife, Way
from lingma_trio.lingma.remote.watch import RemoteWatch
from lingma_trio.lingma.websocket import WebSocket, shake_hands
from lingma_trio.protocol.acp.messages import AcpTerms, Agent
from lingma_trio.protocol.fleet_messages import DOUBT, InstanceReport
from lingma_trio.protocol.manners import LINGMA
from lingma_trio.protocol.request import Request
from lingma_trio.protocol.turn_machine import Terms
from tests.lingma.remote.played import RPC_TIMEOUT, report
from tests.peers import LingmaPeer, Nobody, leaves

ACP = Terms("acp", directory="/work", acp=AcpTerms(Agent(name="agent", closes=True)))


class Doubter(Nobody):
    """A turn that writes down what may be its fault."""

    def __init__(self) -> None:
        self.doubts: list[object] = []

    def doubted(self, params: dict[str, object]) -> None:
        self.doubts.append(params)


@dataclass
class House:
    """One life, the way to it, and what was told of both."""

    nursery: trio.Nursery
    watch: RemoteWatch
    dialled: list[tuple[float, str]] = field(default_factory=list)
    opened: list[bool] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    rooms: list[bool] = field(default_factory=list)
    ends: list[Exception] = field(default_factory=list)
    ended_at: float = 0.0

    def __post_init__(self) -> None:
        self.health = Health("one.lingma-0", most=0, on_change=lambda: self.changes.append(trio.current_time()))
        self.life = RemoteLife(
            self.watch,
            self.health,
            Way(self._dial, self._open, lambda life, session: self.dropped.append((life, session)), RPC_TIMEOUT),
            LifeListener(lambda _: None, self.errors.append, lambda: self.rooms.append(True)),
        )
        self.ended = trio.Event()
        self._accepted, self.accepted = trio.open_memory_channel[LingmaPeer](1)

    async def live(self) -> None:
        """Live it, and note its end."""
        try:
            await self.life.live()
        except* ChannelLost as group:
            self.ends.extend(leaves(group))
        self.ended_at = trio.current_time()
        self.ended.set()

    def _open(self) -> None:
        assert self.life.channel is not None
        assert self.life.start_took is not None
        self.opened.append(True)

    async def _dial(self, path: str) -> WebSocket:
        self.dialled.append((trio.current_time(), path))
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self._serve, theirs)
        return await shake_hands(ours, "agent")

    async def _serve(self, stream: trio.abc.Stream) -> None:
        request = await wrap_server_stream(self.nursery, stream, message_queue_size=100, max_message_size=2**20)
        connection: WebSocketConnection = await request.accept()
        await self._accepted.send(LingmaPeer(connection))


@asynccontextmanager
async def led(told: InstanceReport) -> AsyncIterator[House]:
    """A life of an instance of which that was told, for the length of the block."""
    async with trio.open_nursery() as peers, trio.open_nursery() as nursery:
        house = House(peers, RemoteWatch(told, on_recheck=lambda: None))
        nursery.start_soon(house.live)
        yield house
        nursery.cancel_scope.cancel("the test is over")


async def test_life_is_the_one_that_the_agent_names(autojump_clock: MockClock) -> None:
    """It is waited for, dialled by its name, and asked with the terms that hold there; what it took was the way."""
    async with led(report(life="", terms=Terms("session"))) as house:
        await trio.sleep(5)
        assert (house.dialled, house.life.channel) == ([], None)
        house.watch.told(report("one/lingma-0", life="life-2", terms=Terms("session", directory="/w")), stopping=False)
        await house.accepted.receive()
        await wait_all_tasks_blocked()
        assert house.dialled == [(5.0, "/instance/one%2Flingma-0/life-2")]
        assert house.opened == [True]
        assert (house.life.id, house.life.start_took, house.life.what) == ("life-2", 0.0, "Lingma")
        channel = house.life.channel
        assert channel is not None
        assert channel.terms == Terms("session", directory="/w")
        assert channel.sessions is None
        assert channel.manners is LINGMA
        channel.on_room()
        assert house.rooms == [True]


async def test_agent_that_is_away_ends_the_life(autojump_clock: MockClock) -> None:
    """At once, with the reason; nothing can be asked any more."""
    async with led(report()) as house:
        await house.accepted.receive()
        await trio.sleep(0.5)
        house.watch.lost("it is cut off")
        await house.ended.wait()
        assert house.ended_at == 0.5
        assert [str(cause) for cause in house.ends] == ["its agent cannot be reached: it is cut off"]
        assert house.life.channel is None


async def test_connection_that_is_silent_ends_the_life(autojump_clock: MockClock) -> None:
    """After so many looks in a row that found nothing; one that found something begins the count anew."""
    async with led(report()) as house:
        peer = await house.accepted.receive()
        await trio.sleep((MOST_SILENT - 0.5) * PULSE)
        assert not house.ended.is_set()
        await peer.push("any")
        spoke = trio.current_time()
        await house.ended.wait()
        assert house.ended_at == spoke + (MOST_SILENT + 0.5) * PULSE
        ((cause,), channel) = house.ends, house.life.channel
        assert "has fallen silent" in str(cause)
        assert channel is None


async def test_calls_have_the_time_of_the_settings(autojump_clock: MockClock) -> None:
    """And are counted where they fail."""
    async with led(report()) as house:
        peer = await house.accepted.receive()
        await wait_all_tasks_blocked()
        channel = house.life.channel
        assert channel is not None
        async with trio.open_nursery() as nursery:

            async def pulse() -> None:
                while True:
                    await trio.sleep(PULSE / 2)
                    await peer.push("any")

            nursery.start_soon(pulse)
            with pytest.raises(Exception, match="did not answer auth/status"):
                await channel.call("auth/status", {})
            nursery.cancel_scope.cancel("it has ended")
        assert trio.current_time() == RPC_TIMEOUT
        assert house.errors == ["auth/status"]


async def test_program_that_speaks_acp_has_sessions_to_be_let_go_of(autojump_clock: MockClock) -> None:
    """In that life; and it is called what it is."""
    async with led(report(terms=ACP)) as house:
        peer = await house.accepted.receive()
        await wait_all_tasks_blocked()
        channel = house.life.channel
        assert channel is not None
        assert channel.sessions is not None
        assert channel.manners is ACP_MANNERS
        assert house.life.what == "the agent"
        channel.sessions.discard("s-1")
        assert house.dropped == [("life-1", "s-1")]
        channel.sessions.tool_ran("edit")
        assert house.watch.oddities.tools_ran == {"edit": 1}
        channel.tell(Request("session/new", {}))
        assert (await peer.called("session/new")).params == {}


async def test_error_that_may_be_a_turn_s_reaches_it_alone(autojump_clock: MockClock) -> None:
    """What else belongs to no turn concerns the agent."""
    async with led(report()) as house:
        peer = await house.accepted.receive()
        await wait_all_tasks_blocked()
        channel = house.life.channel
        assert channel is not None
        first, second = Doubter(), Doubter()
        channel.register("a", first)
        channel.register("b", second)
        await peer.push(DOUBT, turn="b", error={"code": 1})
        await peer.push(DOUBT, turn="gone", error={"code": 2})
        await peer.push("other", turn="a", error={"code": 3})
        await wait_all_tasks_blocked()
        assert (first.doubts, second.doubts) == ([], [{"code": 1}])


async def test_end_of_a_rest_is_told(autojump_clock: MockClock) -> None:
    """As in a life that is here."""
    async with led(report()) as house:
        await house.accepted.receive()
        await wait_all_tasks_blocked()
        house.health.failed(RateLimited("too many", retry_after=2), Asked("", trio.current_time()))
        await trio.sleep(2.5)
        assert house.changes == [2.0]
