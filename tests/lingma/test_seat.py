"""Seats: room that one request leaves for another instance's is there for the next at once."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import Unavailable
from lingma_trio.lingma.limiter import REFUSED, Limiter
from lingma_trio.lingma.pool import Lease, Pool
from lingma_trio.lingma.seat import open_seat
from tests.peers import IdleInstance


async def test_room_that_a_seat_moves_out_of_is_given_to_who_waits() -> None:
    """Promise: who waits for the one instance that has its model does not wait for a turn on another one."""
    first, second = IdleInstance("a", most_turns=1), IdleInstance("b", most_turns=1)
    first.tell_models("everywhere", "rare")
    second.tell_models("everywhere")
    pool = Pool([first, second])
    limiter = Limiter(limit=10, queue_timeout=30, max_queue=10)
    pool.on_change = limiter.stir
    seated: list[str] = []

    async def want(model: str) -> None:
        async with open_seat(limiter, Lease(pool, lambda: model, affinity=None), tenant=model) as seat:
            seated.append(seat.instance.name)

    async with (
        trio.open_nursery() as nursery,
        open_seat(limiter, Lease(pool, lambda: "everywhere", affinity=None), tenant="t") as seat,
    ):
        assert seat.instance is first
        nursery.start_soon(want, "rare")
        await wait_all_tasks_blocked()
        assert seated == []
        assert seat.move_to("b")
        await wait_all_tasks_blocked()
        assert seated == ["a"]
    assert (first.seats, second.seats) == (0, 0)


async def test_nobody_waits_for_an_instance_that_is_drained(autojump_clock: MockClock) -> None:
    """Promise: who is in the queue when the last instance is drained is told so at once, like all who come later."""
    instance = IdleInstance("a", most_turns=1)
    pool = Pool([instance])
    limiter = Limiter(limit=10, queue_timeout=30, max_queue=10)
    pool.on_change = limiter.stir

    async def want() -> None:
        with pytest.raises(Unavailable, match="drained"):
            async with open_seat(limiter, Lease(pool, lambda: "m", affinity=None), tenant="other"):
                pytest.fail("there is no room")
        assert trio.current_time() == began

    async with open_seat(limiter, Lease(pool, lambda: "m", affinity=None), tenant="t"), trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(want)
        await wait_all_tasks_blocked()
        instance.standing.drain()


class Taken:
    """The way in where so many times there is no place; notes what is asked of it."""

    def __init__(self, refusals: int, *, rivals: int = 1) -> None:
        self.refusals = refusals
        self.rivals = rivals
        self.asked: list[float] = []
        self.knocks = 0
        self.left = 0

    def knock(self) -> None:
        self.knocks += 1

    async def come_in(self) -> bool:
        self.asked.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        self.refusals -= 1
        return self.refusals < 0

    def beside(self) -> Taken:
        return self

    def leave(self) -> None:
        self.left += 1


async def test_spare_seat_is_had_once_its_turn_may_come_in(autojump_clock: MockClock) -> None:
    """While it may not nobody is kept waiting for it; its place is given up with it."""
    limiter, entry = Limiter(limit=2, queue_timeout=30, max_queue=10), Taken(refusals=3)
    pool = Pool([IdleInstance("a")])
    lease, further = (Lease(pool, lambda: "m", affinity=None) for _ in range(2))
    async with open_seat(limiter, lease, tenant="t", entry=entry) as seat, seat.spare(further):
        assert len(entry.asked) == 4
        assert limiter.counts.in_flight == 2
        pauses = [later - earlier for earlier, later in pairwise(entry.asked)]
        assert all(REFUSED[0] <= pause <= REFUSED[1] for pause in pauses)
        assert entry.left == 0
    assert (entry.left, limiter.counts.in_flight) == (1, 0)


@pytest.mark.parametrize(("rivals", "times"), [(1, 1), (4, 1), (100, 25)])
async def test_many_gateways_that_wait_ask_as_often_as_few(rivals: int, times: int, autojump_clock: MockClock) -> None:
    """For a further turn of a request, and for its first: each less often the more there are."""
    limiter, entry = Limiter(limit=2, queue_timeout=30, max_queue=10), Taken(refusals=2, rivals=rivals)
    lease, further = (Lease(Pool([IdleInstance("a")]), lambda: "m", affinity=None) for _ in range(2))
    async with open_seat(limiter, lease, tenant="t", entry=entry) as seat:
        while not await seat.come_in():
            await seat.stand_back()
        entry.refusals = 2
        async with seat.spare(further):
            one, two, _, three, four = (later - earlier for earlier, later in pairwise(entry.asked))
    assert all(times * REFUSED[0] <= pause <= times * REFUSED[1] for pause in (one, two, three, four))


async def test_who_stands_back_knocks_again(autojump_clock: MockClock) -> None:
    """So that what is asked next for the same request takes the question along."""
    limiter, entry = Limiter(limit=2, queue_timeout=30, max_queue=10), Taken(refusals=1)
    lease = Lease(Pool([IdleInstance("a")]), lambda: "m", affinity=None)
    async with open_seat(limiter, lease, tenant="t", entry=entry) as seat:
        assert (entry.knocks, await seat.come_in()) == (1, False)
        await seat.stand_back()
        assert (entry.knocks, await seat.come_in()) == (2, True)


async def test_seat_that_is_given_back_is_there_for_others() -> None:
    """Whoever gave it back has it again, with another instance than the one that it is to be without."""
    first, second = IdleInstance("a", most_turns=1), IdleInstance("b", most_turns=1)
    pool = Pool([first, second])
    limiter = Limiter(limit=1, queue_timeout=30, max_queue=10)
    seated: list[str] = []

    async def want() -> None:
        async with open_seat(limiter, Lease(pool, lambda: "org_auto", affinity=None), tenant="other") as seat:
            seated.append(seat.instance.name)

    async with (
        trio.open_nursery() as nursery,
        open_seat(limiter, Lease(pool, lambda: "org_auto", affinity=None), tenant="t") as seat,
    ):
        assert seat.instance is first
        second.standing.drain()
        nursery.start_soon(want)
        await wait_all_tasks_blocked()
        seat.give_back(without="a")
        await wait_all_tasks_blocked()
        assert seated == ["a"]
        second.standing.resume()
        limiter.stir()
        assert await seat.wait()
        assert seat.instance is second
        assert seat.without == {"a"}
