"""The link to a store: when it is up, how long anybody waits, and what a wire that fails does to it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import structlog
import trio
import trio.testing

from lingma_trio.errors import StateDown
from lingma_trio.state.link import (
    BEAT,
    MOST_LATE,
    REQUEST_BUDGET,
    RETRY_PAUSE,
    Budget,
    Call,
    StoreLink,
    Wire,
    WireLate,
    WireLost,
    WireRefused,
    kept,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from trio.testing import MockClock

ASKED = Call("get", ("lt:x",))


def is_up(link: StoreLink) -> bool:
    """Whether it is now; what it was before says nothing."""
    return link.up


class FakeStore:
    """A store without a network: answers each call with its arguments, `delay` seconds late, or not at all."""

    def __init__(self) -> None:
        self.there = True
        self.delay = 0.0
        self.refusal = ""
        self.silent = True
        self.ours = False
        self.refuses_trips = False
        self.asked = 0
        self.dials: list[float] = []
        self.members: set[str] = set()
        self.ends = trio.Event()

    @asynccontextmanager
    async def dial(self) -> AsyncIterator[Wire]:
        """Connect, until `cut`."""
        self.dials.append(trio.current_time())
        if not self.there:
            raise WireLost("refused")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end)
            yield self
            nursery.cancel_scope.cancel()

    async def send(self, calls: Sequence[Call], seconds: float) -> list[Any]:
        """Answer them."""
        self.asked += ASKED in calls
        with trio.move_on_after(seconds) as scope:
            await trio.sleep(self.delay)
        if scope.cancelled_caught:
            raise WireLate("late", silent=self.silent, ours=self.ours)
        if self.refuses_trips and ASKED in calls:
            raise WireRefused("OOM")
        if self.refusal:
            raise WireRefused(self.refusal)
        return [self._answer(call) for call in calls]

    def cut(self) -> None:
        """End the connection that is."""
        self.ends.set()
        self.ends = trio.Event()

    async def _end(self) -> None:
        await self.ends.wait()
        raise WireLost("cut")

    def _answer(self, call: Call) -> object:
        if call.script != "beat":
            return call.args
        member, lease = call.args
        (self.members.add if lease else self.members.discard)(str(member))
        return len(self.members)


@pytest.fixture
def store() -> FakeStore:
    """A store that answers at once."""
    return FakeStore()


@pytest.fixture
async def link(store: FakeStore) -> AsyncIterator[StoreLink]:
    """A link to it that is up."""
    link = StoreLink(store.dial, name="a", boot="1")
    async with kept(link):
        assert link.up
        yield link


async def test_trip_gives_each_reply_in_its_place(link: StoreLink, autojump_clock: MockClock) -> None:
    """Several calls are one trip."""
    assert await link.trip(Call("get", (), (1,)), Call("get", (), ("b",))) == [(1,), ("b",)]
    assert link.trips == 1


async def test_late_reply_costs_one_budget_and_then_nothing(
    link: StoreLink, store: FakeStore, autojump_clock: MockClock
) -> None:
    """Who waits for a store that hangs waits REQUEST_BUDGET; who comes after that does not wait at all."""
    store.delay = 3600
    began = trio.current_time()
    with pytest.raises(StateDown) as told:
        await link.trip(ASKED)
    assert trio.current_time() - began == pytest.approx(REQUEST_BUDGET)
    assert (told.value.status, told.value.retryable, told.value.retry_after) == (503, True, 1.0)
    with pytest.raises(StateDown):
        await link.trip(ASKED)
    assert trio.current_time() - began == pytest.approx(REQUEST_BUDGET)
    assert not link.up
    assert link.failures == {"late": 1, "down": 1}


async def test_budget_is_of_all_trips_of_a_request(
    link: StoreLink, store: FakeStore, autojump_clock: MockClock
) -> None:
    """Waits of one request add up; time between them does not count, and with nothing left nothing is sent."""
    budget = Budget()
    store.delay = 0.1
    await link.trip(ASKED, budget=budget)
    await trio.sleep(60)
    await link.trip(ASKED, budget=budget)
    assert budget.left == pytest.approx(0.05)
    began = trio.current_time()
    with pytest.raises(StateDown):
        await link.trip(ASKED, budget=budget)
    assert trio.current_time() - began == pytest.approx(0.05)
    assert budget.left == 0
    assert link.up  # a wait that was cut so short says nothing about the store
    asked = store.asked
    with pytest.raises(StateDown):
        await link.trip(ASKED, budget=budget)
    assert store.asked == asked
    assert link.up


async def test_doubt_ends_once_the_store_answers(link: StoreLink, store: FakeStore, autojump_clock: MockClock) -> None:
    """A store that has answered with nothing for a request's time is asked on the same connection, and is good again
    when it answers that in time.
    """
    store.delay = 0.3
    with pytest.raises(StateDown):
        await link.trip(ASKED)
    await trio.sleep(2)
    assert not is_up(link)
    store.delay = 0
    await trio.sleep(RETRY_PAUSE + 0.31)
    assert is_up(link)
    assert len(store.dials) == 1


async def test_store_that_answers_others_is_not_doubted(
    link: StoreLink, store: FakeStore, autojump_clock: MockClock
) -> None:
    """One late reply beside others that come is that request's alone, until several in a row are late."""
    store.silent = False
    for late in (1, 2):
        store.delay = 1
        for _ in range(MOST_LATE - 1):
            with pytest.raises(StateDown):
                await link.trip(ASKED)
        assert is_up(link)
        store.delay = 0
        await link.trip(ASKED)
        assert link.failures["late"] == late * (MOST_LATE - 1)
    store.delay = 1
    for _ in range(MOST_LATE):
        with pytest.raises(StateDown):
            await link.trip(ASKED)
    assert not is_up(link)


async def test_gateway_that_is_late_doubts_nobody(link: StoreLink, store: FakeStore, autojump_clock: MockClock) -> None:
    """However many of its trips come too late, and however little was heard meanwhile."""
    store.ours = True
    store.delay = 0.26
    for _ in range(3 * MOST_LATE):
        with pytest.raises(StateDown):
            await link.trip(ASKED)
    assert link.up
    assert link.failures["down"] == 0


async def test_lost_connection_is_made_again(link: StoreLink, store: FakeStore, autojump_clock: MockClock) -> None:
    """The end of a connection is known at once, and the next one is tried without a pause if the last try is old."""
    await trio.sleep(10)
    store.cut()
    await trio.testing.wait_all_tasks_blocked()
    assert link.up
    assert [moment - store.dials[0] for moment in store.dials] == [0, pytest.approx(10)]


async def test_store_that_is_away_is_tried_twice_a_second(
    link: StoreLink, store: FakeStore, autojump_clock: MockClock
) -> None:
    """Attempts are RETRY_PAUSE apart, however quickly they fail, and the link is up with the first that does not."""
    await trio.sleep(10)
    store.there = False
    store.cut()
    await trio.sleep(2.25)
    assert [moment - store.dials[1] for moment in store.dials[1:]] == pytest.approx([0, 0.5, 1, 1.5, 2])
    assert not link.up
    store.there = True
    await trio.sleep(RETRY_PAUSE)
    assert link.up


async def test_start_does_not_wait_for_a_store_that_is_away(store: FakeStore, autojump_clock: MockClock) -> None:
    """Whoever waits for the first attempt goes on when it fails."""
    store.there = False
    link = StoreLink(store.dial, name="a", boot="1")
    async with kept(link):
        assert (link.up, link.replicas, link.reason) == (False, 0, "refused")


async def test_number_of_gateways_is_kept_when_the_store_goes(
    link: StoreLink, store: FakeStore, autojump_clock: MockClock
) -> None:
    """Each beat tells how many there are, and the last number known outlives the store."""
    store.members |= {"b 1", "c 1"}
    await trio.sleep(BEAT + 0.01)
    assert link.replicas == 3
    store.there = False
    store.cut()
    await trio.sleep(60)
    assert link.replicas == 3


async def test_name_is_taken_back_at_the_end(store: FakeStore, autojump_clock: MockClock) -> None:
    """A gateway that stops is not counted any longer, and does not wait for a store that hangs."""
    for delay in (0.0, 3600.0):
        async with kept(StoreLink(store.dial, name="a", boot="1")):
            assert store.members == {"a 1"}
            store.delay = delay
            began = trio.current_time()
        assert store.members == ({"a 1"} if delay else set())
        assert trio.current_time() - began <= REQUEST_BUDGET


async def test_refusal_is_one_trip_s_and_not_the_link_s(
    link: StoreLink, store: FakeStore, autojump_clock: MockClock
) -> None:
    """A call that the store answers with an error fails, is counted, and does not open the breaker."""
    store.refusal = "OOM command not allowed"
    with pytest.raises(StateDown):
        await link.trip(ASKED)
    assert link.up
    assert link.failures == {"refused": 1}


async def test_store_that_refuses_the_beat_is_down(
    link: StoreLink, store: FakeStore, autojump_clock: MockClock
) -> None:
    """A store that does not even take a name is not asked by requests, and says why."""
    store.refusal = "NOPERM"
    await trio.sleep(BEAT + 0.01)
    assert (link.up, link.reason) == (False, "NOPERM")


async def test_cancelled_trip_casts_no_doubt(link: StoreLink, store: FakeStore, autojump_clock: MockClock) -> None:
    """A client that leaves while its trip is under way says nothing about the store."""
    store.delay = 0.2
    with trio.move_on_after(0.1) as scope:
        await link.trip(ASKED)
    assert scope.cancelled_caught
    assert link.up
    assert not link.failures


async def test_each_outage_is_told_once(link: StoreLink, store: FakeStore, autojump_clock: MockClock) -> None:
    """Whatever its attempts come to, and again when it is the next one for the same reason."""
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            store.there = False
            store.cut()
            await trio.sleep(60)
            store.there = True
            await trio.sleep(RETRY_PAUSE + 0.01)
            assert is_up(link)
        for _ in range(2):
            store.cut()
            await trio.sleep(RETRY_PAUSE + 0.01)
    told = [(line["event"], line.get("reason")) for line in logs]
    away = [("state_down", "cut"), ("state_down", "refused"), ("state_up", None)] * 2
    assert told == away + [("state_down", "cut"), ("state_up", None)] * 2


async def test_connection_that_is_late_for_every_beat_is_left(
    link: StoreLink, store: FakeStore, autojump_clock: MockClock
) -> None:
    """Also where nobody can tell that it is the store's fault: another connection may be better."""
    store.silent = False
    store.delay = 3600
    await trio.sleep(10)
    assert len(store.dials) > 1
    store.delay = 0
    await trio.sleep(2 * RETRY_PAUSE)
    assert is_up(link)


async def test_store_that_refuses_all_is_told_once_a_second(
    link: StoreLink, store: FakeStore, autojump_clock: MockClock
) -> None:
    """A hundred requests that are refused are one line, and so is the next second's."""
    store.refuses_trips = True
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            for _ in range(100):
                with pytest.raises(StateDown):
                    await link.trip(ASKED)
            await trio.sleep(BEAT)
    assert [line["event"] for line in logs] == ["state_refused"] * 2
