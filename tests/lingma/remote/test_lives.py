"""An instance elsewhere is in the state that its agent tells, or that the way to it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import ChannelLost
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.life import Life, LifeListener
from lingma_trio.lingma.lives import START_SECONDS, State
from lingma_trio.lingma.remote.lives import AWAY, CONNECTING, LONGEST, STOPPING, RemoteLives
from lingma_trio.lingma.remote.watch import RemoteWatch
from lingma_trio.protocol.fleet_messages import InstanceReport
from tests.lingma.remote.played import report

REACHED_IN = 1.0
LOST = ChannelLost("the way was cut")


class Way(Life):
    """The way to a life: there after REACHED_IN seconds, and ended by `cut`."""

    def __init__(self, listener: LifeListener, house: House) -> None:
        super().__init__(listener)
        self._house = house
        self.cut = trio.Event()

    async def live(self) -> None:
        await trio.sleep(REACHED_IN)
        self.channel = RpcChannel(rpc_timeout=1, on_push=lambda *_: None, on_error=lambda _: None)
        self.id = self._house.watch.report.life
        self._house.lives.opened()
        await self.cut.wait()
        self.channel = None
        raise LOST


@dataclass
class House:
    """The lives of one instance, and what was told of them."""

    watch: RemoteWatch
    began: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lives = RemoteLives(
            "one.lingma-0",
            lambda listener: Way(listener, self),
            self.watch,
            on_begin=lambda: self.began.append(trio.current_time()),
            on_change=lambda: None,
        )

    @property
    def way(self) -> Way:
        """The present one."""
        assert isinstance(self.lives.present, Way)
        return self.lives.present

    def tell(self, told: InstanceReport, *, stopping: bool = False) -> tuple[State, str]:
        """Have the agent tell that; the state and the reason afterwards."""
        self.watch.told(told, stopping=stopping)
        self.lives.look()
        return self.lives.state, self.lives.reason

    def lose(self, why: str) -> tuple[State, str]:
        """Lose the agent."""
        self.watch.lost(why)
        self.lives.look()
        return self.lives.state, self.lives.reason


@asynccontextmanager
async def led(told: InstanceReport) -> AsyncIterator[House]:
    """The lives of an instance of which that was told, for the length of the block."""
    house = House(RemoteWatch(told, on_recheck=lambda: None))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.lives.live)
        yield house
        nursery.cancel_scope.cancel("the test is over")


async def test_instance_is_ready_once_the_way_to_it_is_there(autojump_clock: MockClock) -> None:
    """Until then the gateway connects, whatever the agent says of it."""
    async with led(report()) as house:
        assert (house.lives.reason, house.lives.wait) == (CONNECTING, CONNECTING)
        assert house.tell(report()) == ("starting", CONNECTING)
        assert house.lives.wait == CONNECTING
        await trio.sleep(REACHED_IN + 0.1)
        assert (house.lives.state, house.lives.reason) == ("ready", "")
        assert house.began == [0.0]
        assert house.lives.connected
        assert house.tell(report(life="life-2")) == ("starting", CONNECTING)


@pytest.mark.parametrize("state", ["starting", "needs_login", "backing_off", "levitating"])
async def test_state_is_the_agent_s_own_word(state: str, autojump_clock: MockClock) -> None:
    """With its reason, what is to be waited for, and for how long; one that nobody knows is none to be asked in."""
    async with led(report()) as house:
        await trio.sleep(REACHED_IN + 0.1)
        told = report(state=state, reason="why", wait="for what", ready_in=40.0, begins_in=30.0)
        expected = "backing_off" if state == "levitating" else state
        assert house.tell(told) == (expected, "why")
        assert (house.lives.wait, house.lives.ready_in, house.lives.begins_in) == ("for what", 40.0, 30.0)


async def test_counts_are_the_agent_s(autojump_clock: MockClock) -> None:
    """How many lives there have been, and how the last one ended."""
    async with led(report()) as house:
        await trio.lowlevel.checkpoint()
        house.tell(report(generation=4, restarts=2, replaced=1, last_end="it fell over", detail="its last words"))
        lives = house.lives
        assert (lives.generation, lives.restarts, lives.replaced) == (4, 2, 1)
        assert (lives.last_end, lives.detail) == ("it fell over", "its last words")


async def test_agent_that_is_away_or_stops_is_not_waited_for_as_it_said(autojump_clock: MockClock) -> None:
    """Its own times are of no use then."""
    slow = report(ready_in=40.0, begins_in=30.0)
    async with led(slow) as house:
        await trio.sleep(REACHED_IN + 0.1)
        assert house.lose("it is cut off") == ("backing_off", AWAY.format("it is cut off"))
        assert house.lives.wait == AWAY.format("it is cut off")
        assert house.lives.ready_in == START_SECONDS - REACHED_IN - 0.1
        assert house.lives.begins_in == 1.0
        assert house.tell(slow, stopping=True) == ("backing_off", STOPPING)
        assert house.tell(report(state="stopped", reason="its own")) == ("backing_off", STOPPING)
        assert house.lives.wait == STOPPING
        assert house.tell(slow) == ("ready", "")


async def test_way_that_was_lost_is_made_again(autojump_clock: MockClock) -> None:
    """After a short pause, during which the loss is told; once it is there again nothing is left of that."""
    async with led(report()) as house:
        await trio.sleep(5)
        first = house.way
        first.cut.set()
        await wait_all_tasks_blocked()
        assert (house.lives.state, house.lives.reason) == ("backing_off", str(LOST))
        assert START_SECONDS < house.lives.ready_in <= START_SECONDS + LONGEST
        await trio.sleep(LONGEST + REACHED_IN)
        assert house.way is not first
        assert (house.lives.state, house.lives.reason) == ("ready", "")
        assert len(house.began) == 2
        assert (house.lives.generation, house.lives.restarts) == (1, 0)  # which are the agent's to count
        assert house.tell(report(life="life-2")) == ("starting", CONNECTING)
