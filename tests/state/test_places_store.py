"""Places in the store: renewed by one task while they are held, and given up once nobody holds them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.state.link import StoreLink
from lingma_trio.state.places import share_of
from lingma_trio.state.places_store import LEASE, PAUSE, RENEWAL
from lingma_trio.state.rates import Limits
from lingma_trio.state.rates_store import SharedDues, SharedRates
from tests.instant_link import InstantLink
from tests.state.cut_link import CutLink

ONE = Limits("ann", places=1)


def begin(nursery: trio.Nursery, rates: SharedRates) -> None:
    """Whenever that comes about."""
    nursery.start_soon(rates.keeper.run)


@asynccontextmanager
async def kept(rates: SharedRates) -> AsyncIterator[trio.CancelScope]:
    """Have the places of a gateway kept, until it dies with the scope."""
    async with trio.open_nursery() as nursery:
        begin(nursery, rates)
        yield nursery.cancel_scope
        nursery.cancel_scope.cancel("tested")


async def has_come_in(rates: SharedRates, limits: Limits) -> SharedDues | None:
    """The dues of a request that came in, or None."""
    dues = rates.open(limits)
    return dues if await dues.entry.come_in() else None


async def test_places_are_held_for_as_long_as_their_gateway_lives(
    model_link: StoreLink, autojump_clock: MockClock
) -> None:
    """However long an answer takes nobody else has its place, and after its gateway died somebody has within LEASE."""
    one, other = SharedRates(model_link), SharedRates(model_link)
    async with kept(one) as alive:
        assert await has_come_in(one, ONE) is not None
        await trio.sleep(10 * LEASE)
        assert await has_come_in(other, ONE) is None
        alive.cancel("the gateway is killed")
    await trio.sleep(LEASE)
    assert await has_come_in(other, ONE) is not None


async def test_one_trip_renews_all_places_of_a_gateway(model_link: StoreLink, autojump_clock: MockClock) -> None:
    """Whoever holds them; what has ended meanwhile is renewed no longer, and for nothing there is no trip."""
    link = CutLink(model_link)
    rates = SharedRates(link)
    async with kept(rates):
        many = Limits("ann", places=9)
        mine = [await has_come_in(rates, many) for _ in range(5)]
        assert await has_come_in(rates, Limits("bob", places=1)) is not None
        link.trips.clear()
        await trio.sleep(2.5 * RENEWAL)
        assert link.trips == [["places", "places"]] * 2
        for dues in mine:
            assert dues is not None
            dues.close(0)
            await dues.trips.finish()
        link.trips.clear()
        await trio.sleep(RENEWAL)
        assert link.trips == [["places"]]
        assert await has_come_in(rates, many) is not None


async def test_a_store_that_is_now_and_then_too_late_costs_no_place(
    model_link: StoreLink, autojump_clock: MockClock
) -> None:
    """However often there is something else to tell it."""
    link = CutLink(model_link)
    one, other = SharedRates(link), SharedRates(model_link)
    async with kept(one):
        assert await has_come_in(one, ONE) is not None
        for number in range(round(2 * LEASE / 0.2)):
            link.cut = number % 2 == 0
            one.keeper.give_up("bob", one.keeper.new_name())
            await trio.sleep(0.2)
        assert await has_come_in(other, ONE) is None


async def test_what_is_left_untold_is_told_at_once(model_link: StoreLink, autojump_clock: MockClock) -> None:
    """A request that was cut off, and a further turn that is over, hold no place until the next renewal."""
    rates, other = SharedRates(model_link), SharedRates(model_link)
    async with kept(rates):
        dues = await has_come_in(rates, ONE)
        assert dues is not None
        dues.close(0)
        dues.abandon()
        await trio.sleep(0.1)
        entry = rates.open(ONE).entry
        assert await entry.come_in()
        entry.leave()
        await trio.sleep(0.1)
        assert await has_come_in(other, ONE) is not None


async def test_a_gateway_that_stops_leaves_no_places_of_what_it_cut_off(
    model_link: StoreLink, autojump_clock: MockClock
) -> None:
    """Its requests end before it does, and the store hears of the last of them."""
    rates, other = SharedRates(model_link), SharedRates(model_link)
    async with kept(rates) as stopping:
        dues = await has_come_in(rates, ONE)
        assert dues is not None
        stopping.cancel("the gateway stops")
        dues.close(0)
        dues.abandon()
    began = trio.current_time()
    assert await has_come_in(other, ONE) is not None
    assert trio.current_time() < began + 1


async def test_nothing_is_sent_while_the_store_is_down(model_link: StoreLink, autojump_clock: MockClock) -> None:
    """Soon after it is back it knows every place that is held, be it from before, and none that is not."""
    link = CutLink(model_link, replicas=1)
    rates, other, limits = SharedRates(link), SharedRates(model_link), Limits("ann", places=3)
    async with kept(rates):
        before = await has_come_in(rates, limits)
        assert await has_come_in(rates, limits) is not None
        link.cut = True
        link.trips.clear()
        assert before is not None
        before.close(0)
        await before.trips.finish()
        assert await has_come_in(rates, limits) is not None
        await trio.sleep(2 * LEASE)
        assert link.trips == []
        link.cut = False
        await trio.sleep(PAUSE + 0.1)
        assert await has_come_in(other, limits) is not None
        assert await has_come_in(other, limits) is None


async def test_cancelled_anywhere_no_place_stays_held(model_link: StoreLink, autojump_clock: MockClock) -> None:
    """Before every step of a request, from its admission to its last trip: soon nobody but the living hold places."""
    rates, other = SharedRates(model_link), SharedRates(model_link)
    limits = Limits("ann", requests=10**6, tokens=10**6, places=1)

    async def request(steps: int) -> bool:
        with trio.CancelScope() as scope:
            sweep = Sweep(steps, scope)
            trio.lowlevel.add_instrument(sweep)
            try:
                dues = rates.open(limits)
                try:
                    assert await dues.admit(trio.current_time()) == 0
                    dues.charge(10, trio.current_time())
                    dues.entry.knock()
                    await dues.trips.go()
                    assert await dues.entry.come_in()
                    await trio.lowlevel.checkpoint()
                    further = dues.entry.beside()
                    assert not await further.come_in()
                finally:
                    dues.close(0)
                await dues.trips.finish()
            finally:
                trio.lowlevel.remove_instrument(sweep)
                dues.abandon()
        return scope.cancelled_caught

    async with kept(rates):
        steps = 0
        while await request(steps):
            steps += 1
            await trio.sleep(PAUSE)
            assert rates.keeper.holding("ann") == 0
            dues = await has_come_in(other, limits)
            assert dues is not None, f"cancelled before step {steps - 1}"
            dues.close(0)
            await dues.trips.finish()
    assert steps > 5


class Sweep(trio.abc.Instrument):
    """Cancels `scope` before the given step of the task that made this."""

    def __init__(self, steps: int, scope: trio.CancelScope) -> None:
        self._left = steps
        self._scope = scope
        self._task = trio.lowlevel.current_task()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Trio's."""
        if task is self._task:
            if not self._left:
                self._scope.cancel("the sweep")
            self._left -= 1


@pytest.mark.parametrize("ahead", [0, 60, 3600])
async def test_a_place_ends_in_time_by_the_clock_of_another_primary(ahead: int, autojump_clock: MockClock) -> None:
    """One whose gateway is gone is free a lease after somebody was refused it, however far ahead the old clock was."""
    clock = [float(ahead)]
    link = InstantLink(lambda: trio.current_time() + clock[0])
    limits = Limits("ann", places=1)
    assert await SharedRates(link).open(limits).entry.come_in()
    clock[0] = 0.0
    other = SharedRates(link)
    assert not await other.open(limits).entry.come_in()
    await trio.sleep(LEASE - 1)
    assert not await other.open(limits).entry.come_in()
    await trio.sleep(1.1)
    assert await other.open(limits).entry.come_in()


@pytest.mark.slow
async def test_no_place_is_lost_after_a_thousand_kills(autojump_clock: MockClock) -> None:
    """Whatever a gateway is at when it is killed, its key has all of its places again a lease later."""
    link, chance = InstantLink(), random.Random(0)
    limits = Limits("ann", tokens=10**9, places=3)

    async def serve(rates: SharedRates) -> None:
        while True:
            dues = rates.open(limits)
            dues.charge(10, trio.current_time())
            if await dues.entry.come_in():
                await trio.sleep(chance.uniform(0, 0.2))
                dues.close(0)
                await dues.trips.finish()
            await trio.sleep(0.01)

    for _ in range(100):
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                rates = SharedRates(link)
                nursery.start_soon(rates.keeper.run)
                nursery.start_soon(serve, rates)
            await trio.sleep(chance.uniform(0, 0.3))
            nursery.cancel_scope.cancel("all are killed")
        await trio.sleep(LEASE)
        rates = SharedRates(link)
        assert [await has_come_in(rates, limits) is not None for _ in range(4)] == [True, True, True, False]
        await trio.sleep(LEASE)


@pytest.mark.parametrize(
    ("limit", "replicas", "share"), [(1, 5, 1), (3, 2, 2), (4, 2, 2), (5, 0, 3), (1, 0, 1), (9, 1, 9)]
)
def test_share_is_rounded_up(limit: int, replicas: int, share: int) -> None:
    """All shares together are never less than the limit, and nobody's is nothing."""
    assert share_of(limit, replicas) == share
