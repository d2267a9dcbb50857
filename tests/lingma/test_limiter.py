"""The limiter: first come, first served; exact waits; and no slot is ever lost, whoever is cancelled when."""

from __future__ import annotations

import math
from dataclasses import astuple

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import QueueFull, QueueTimeout
from lingma_trio.lingma.limiter import Limiter

NOTHING = (0, 0)


def load(limiter: Limiter) -> tuple[int, int]:
    """Holders and waiters."""
    return astuple(limiter.counts)[:2]


class Guests:
    """Tasks that hold a slot each until they are told to leave; who came in when is written down."""

    def __init__(self, limiter: Limiter, nursery: trio.Nursery) -> None:
        self.limiter = limiter
        self.entered: list[str] = []
        self.waited: dict[str, float] = {}
        self.refused: dict[str, Exception] = {}
        self._nursery = nursery
        self._leave: dict[str, trio.Event] = {}
        self._scopes: dict[str, trio.CancelScope] = {}

    async def arrive(self, *names: str) -> None:
        """Let guests come, one after the other."""
        for name in names:
            self._leave[name] = trio.Event()
            self._scopes[name] = trio.CancelScope()
            self._nursery.start_soon(self._visit, name)
            await wait_all_tasks_blocked()

    async def leave(self, name: str) -> None:
        self._leave[name].set()
        await wait_all_tasks_blocked()

    def cancel(self, name: str) -> None:
        self._scopes[name].cancel("the guest is gone")

    def free(self, name: str) -> None:
        """Tell a guest to leave, without waiting until it has."""
        self._leave[name].set()

    async def _visit(self, name: str) -> None:
        with self._scopes[name]:
            try:
                async with self.limiter.slot() as waited:
                    self.entered.append(name)
                    self.waited[name] = waited
                    await self._leave[name].wait()
            except (QueueFull, QueueTimeout) as refusal:
                self.refused[name] = refusal


async def test_slots_are_given_in_the_order_of_arrival() -> None:
    """Whoever has waited longest is next."""
    limiter = Limiter(limit=2, queue_timeout=math.inf, max_queue=10)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        await guests.arrive("a", "b", "c", "d", "e")
        assert guests.entered == ["a", "b"]
        assert load(limiter) == (2, 3)
        for name in ("b", "a", "c", "d", "e"):
            await guests.leave(name)
    assert guests.entered == ["a", "b", "c", "d", "e"]
    assert load(limiter) == NOTHING


async def test_newcomer_does_not_overtake_the_queue() -> None:
    """A slot that comes free belongs to the queue, also when somebody arrives in the same moment."""
    limiter = Limiter(limit=1, queue_timeout=math.inf, max_queue=10)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        await guests.arrive("a", "b")
        guests.free("a")
        await guests.arrive("c")
        assert guests.entered == ["a", "b"]
        await guests.leave("b")
        await guests.leave("c")
    assert guests.entered == ["a", "b", "c"]


async def test_free_slot_is_had_without_waiting() -> None:
    """Where there is room nobody waits."""
    limiter = Limiter(limit=1, queue_timeout=0, max_queue=0)
    async with limiter.slot() as waited:
        assert waited == 0
        assert load(limiter) == (1, 0)
    assert load(limiter) == NOTHING


async def test_wait_is_measured(autojump_clock: MockClock) -> None:
    """A guest learns how long it waited, in seconds."""
    limiter = Limiter(limit=1, queue_timeout=10, max_queue=10)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        await guests.arrive("a", "b")
        await trio.sleep(7)
        await guests.leave("a")
        await guests.leave("b")
    assert guests.waited == {"a": 0, "b": 7}


async def test_wait_ends_at_the_queue_timeout_exactly(autojump_clock: MockClock) -> None:
    """Whoever gets no slot in time is refused then, and told when to come again."""
    limiter = Limiter(limit=1, queue_timeout=30, max_queue=10)
    async with limiter.slot():
        with pytest.raises(QueueTimeout, match="within 30 s") as refusal:
            async with limiter.slot():
                raise AssertionError
        assert trio.current_time() == 30
        assert refusal.value.retry_after == 5
        assert astuple(limiter.counts) == (1, 0, 0, 1)


async def test_slot_that_comes_free_before_the_timeout_is_granted(autojump_clock: MockClock) -> None:
    """The wait counts up to its last moment."""
    limiter = Limiter(limit=1, queue_timeout=30, max_queue=10)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        await guests.arrive("a", "b")
        await trio.sleep(29.999)
        await guests.leave("a")
        assert guests.entered == ["a", "b"]
        await guests.leave("b")
    assert not guests.refused


async def test_timed_out_waiter_leaves_no_gap(autojump_clock: MockClock) -> None:
    """The slot goes to those who still wait, not to one who gave up."""
    limiter = Limiter(limit=1, queue_timeout=10, max_queue=10)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        await guests.arrive("a", "b")
        await trio.sleep(6)
        await guests.arrive("c")
        await trio.sleep(5)
        assert list(guests.refused) == ["b"]
        await guests.leave("a")
        assert guests.entered == ["a", "c"]
        await guests.leave("c")
    assert load(limiter) == NOTHING


async def test_full_queue_refuses_at_once(autojump_clock: MockClock) -> None:
    """Beyond its length the queue takes nobody, and says so without any wait."""
    limiter = Limiter(limit=1, queue_timeout=30, max_queue=2)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        await guests.arrive("a", "b", "c", "d")
        assert list(guests.refused) == ["d"]
        assert isinstance(guests.refused["d"], QueueFull)
        assert trio.current_time() == 0
        assert astuple(limiter.counts) == (1, 2, 1, 0)
        for name in ("a", "b", "c"):
            await guests.leave(name)
    assert load(limiter) == NOTHING


async def test_cancelled_waiter_leaves_the_queue() -> None:
    """A guest that goes away while it waits makes room in the queue and takes no slot with it."""
    limiter = Limiter(limit=1, queue_timeout=math.inf, max_queue=2)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        await guests.arrive("a", "b", "c")
        guests.cancel("b")
        await wait_all_tasks_blocked()
        assert load(limiter) == (1, 1)
        await guests.arrive("d")
        for name in ("a", "c", "d"):
            await guests.leave(name)
    assert guests.entered == ["a", "c", "d"]
    assert load(limiter) == NOTHING


@pytest.mark.parametrize("order", ["granted, then cancelled", "cancelled, then granted"])
async def test_slot_granted_to_a_guest_that_leaves_goes_on(order: str) -> None:
    """A slot that comes free in the very moment in which its next holder is cancelled goes to the one after that."""
    limiter = Limiter(limit=1, queue_timeout=math.inf, max_queue=10)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        leave = trio.Event()

        async def hold() -> None:
            async with limiter.slot():
                await leave.wait()
                if order == "cancelled, then granted":
                    guests.cancel("b")
            if order == "granted, then cancelled":
                guests.cancel("b")

        nursery.start_soon(hold)
        await wait_all_tasks_blocked()
        await guests.arrive("b", "c")
        leave.set()
        await wait_all_tasks_blocked()
        assert guests.entered[-1] == "c"
        assert load(limiter) == (1, 0)
        await guests.leave("c")
    assert load(limiter) == NOTHING


@pytest.mark.parametrize("limit", [0, -1])
async def test_no_limit_is_no_limit(limit: int) -> None:
    """With a limit of zero or less everybody comes in, and is counted."""
    limiter = Limiter(limit=limit, queue_timeout=0, max_queue=0)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        names = [f"guest {number}" for number in range(50)]
        await guests.arrive(*names)
        assert load(limiter) == (50, 0)
        nursery.cancel_scope.cancel("everybody out")
    assert load(limiter) == NOTHING


async def test_failing_holder_frees_its_slot() -> None:
    """A block that raises gives its slot back."""
    limiter = Limiter(limit=1, queue_timeout=0, max_queue=0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with limiter.slot():
                raise ZeroDivisionError
    assert load(limiter) == NOTHING
