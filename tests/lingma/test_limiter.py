"""The limiter: tenants in turn, in order within one; exact waits; no slot is lost, whoever leaves when."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import astuple, dataclass

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import QueueFull, QueueTimeout, Unavailable
from lingma_trio.lingma.limiter import REFUSED, Limiter

NOTHING = (0, 0)


def load(limiter: Limiter) -> tuple[int, int]:
    """Holders and waiters."""
    return astuple(limiter.counts)[:2]


class Guests:
    """Tasks that hold a slot each until they are told to leave; who came in when is written down."""

    def __init__(
        self, limiter: Limiter, nursery: trio.Nursery, tenants: dict[str, str] | None = None, *, most: int = 0
    ) -> None:
        self.limiter = limiter
        self.tenants = tenants or {}
        self.most = most
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
                async with self.limiter.slot(self.tenants.get(name, ""), most=self.most) as slot:
                    self.entered.append(name)
                    self.waited[name] = slot.waited
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
    async with limiter.slot() as slot:
        assert slot.waited == 0
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


async def test_quiet_tenant_waits_for_one_slot_only(autojump_clock: MockClock) -> None:
    """Where a busy tenant has every slot and a crowd waiting, another one has the next slot that comes free."""
    limiter = Limiter(limit=2, queue_timeout=math.inf, max_queue=100)
    waits: list[float] = []

    async def busy() -> None:
        async with limiter.slot("busy"):
            await trio.sleep(10)

    async def quiet() -> None:
        for _ in range(3):
            await trio.sleep(3)
            async with limiter.slot("quiet") as slot:
                waits.append(slot.waited)
                await trio.sleep(10)

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(busy)
        await wait_all_tasks_blocked()
        nursery.start_soon(quiet)
    assert len(waits) == 3
    assert max(waits) <= 10
    assert load(limiter) == NOTHING


async def test_own_bound_is_waited_for() -> None:
    """A tenant at its own bound waits while slots are free, and is let in by its own guests' leaving."""
    limiter = Limiter(limit=5, queue_timeout=math.inf, max_queue=10)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery, {"a": "one", "b": "one", "c": "other"}, most=1)
        await guests.arrive("a", "b", "c")
        assert guests.entered == ["a", "c"]
        assert limiter.load("one") == (1, 1)
        for name in ("a", "b", "c"):
            await guests.leave(name)
    assert guests.entered == ["a", "c", "b"]


async def test_guest_that_is_pushed_out_is_refused_at_once(autojump_clock: MockClock) -> None:
    """In a full queue the last one of the longest line makes room for a tenant with nobody there, and is told why."""
    limiter = Limiter(limit=1, queue_timeout=30, max_queue=2)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery, {"d": "quiet"})
        await guests.arrive("a", "b", "c", "d")
        assert isinstance(guests.refused["c"], QueueFull)
        assert "others have fewer" in str(guests.refused["c"])
        assert trio.current_time() == 0
        assert astuple(limiter.counts) == (1, 2, 1, 0)
        for name in ("a", "d", "b"):
            await guests.leave(name)
    assert guests.entered == ["a", "d", "b"]
    assert load(limiter) == NOTHING


@pytest.mark.parametrize("ending", ["cancelled", "timed out"])
async def test_guests_that_end_at_any_moment_lose_no_slot(ending: str, autojump_clock: MockClock) -> None:
    """Whenever guests of several tenants are cancelled or give up, every slot is free afterwards and nobody is lost."""
    for moment in range(60):
        limiter = Limiter(limit=2, queue_timeout=0.5 if ending == "timed out" else math.inf, max_queue=6)
        scopes = [trio.CancelScope() for _ in range(9)]

        async def visit(number: int, limiter: Limiter, scope: trio.CancelScope) -> None:
            with scope, suppress(QueueFull, QueueTimeout):
                async with limiter.slot("abc"[number % 3], most=number % 3):
                    await trio.sleep(0.25)

        async with trio.open_nursery() as nursery:
            for number, scope in enumerate(scopes):
                nursery.start_soon(visit, number, limiter, scope)
            for scope in scopes[moment % 3 :: 2] if ending == "cancelled" else []:
                for _ in range(moment // 3):
                    await trio.lowlevel.checkpoint()
                scope.cancel("at any moment")
        assert load(limiter) == NOTHING
        assert [limiter.load(tenant) for tenant in "abc"] == [(0, 0)] * 3


@dataclass
class Goods:
    """Something of which there are so many; `expected` is in how many seconds there may be more."""

    stock: int = 0
    expected: float = 0.0


class Wanted:
    """The need of one of the goods."""

    def __init__(self, goods: Goods) -> None:
        self.goods = goods
        self.wish = id(goods)

    def take(self) -> bool:
        if self.goods.stock == 0:
            return False
        self.goods.stock -= 1
        return True

    def release(self) -> None:
        self.goods.stock += 1

    def expected(self) -> float:
        return self.goods.expected

    def refusal(self) -> Unavailable:
        return Unavailable("sold out")


async def test_who_cannot_be_served_keeps_nobody_waiting() -> None:
    """A request whose need cannot be met is walked past, by its own tenant's as well, and served when it can be."""
    limiter = Limiter(limit=2, queue_timeout=math.inf, max_queue=10)
    none, some = Goods(), Goods(1)
    served: list[str] = []

    async def visit(name: str, goods: Goods) -> None:
        async with limiter.slot("a", need=Wanted(goods)):
            served.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(visit, "first", none)
        await wait_all_tasks_blocked()
        nursery.start_soon(visit, "second", some)
        await wait_all_tasks_blocked()
        assert served == ["second"]
        none.stock = 1
        limiter.stir()
    assert served == ["second", "first"]
    assert (none.stock, some.stock) == (1, 1)


async def test_hopeless_need_is_refused_at_once(autojump_clock: MockClock) -> None:
    """Where nobody can be expected within the queue timeout waiting helps nobody, not even in a free queue."""
    limiter = Limiter(limit=2, queue_timeout=30, max_queue=10)
    for expected in (math.inf, 31.0):
        with pytest.raises(Unavailable):
            async with limiter.slot(need=Wanted(Goods(expected=expected))):
                raise AssertionError
    assert trio.current_time() == 0
    assert load(limiter) == NOTHING


async def test_need_that_becomes_hopeless_ends_the_wait(autojump_clock: MockClock) -> None:
    """Who waits for what is no longer to be had is told when that is known, and not at the end of the queue timeout."""
    limiter = Limiter(limit=2, queue_timeout=30, max_queue=10)
    goods = Goods(expected=10)

    async def spoil() -> None:
        await trio.sleep(5)
        goods.expected = math.inf
        limiter.stir()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(spoil)
        with pytest.raises(Unavailable):
            async with limiter.slot(need=Wanted(goods)):
                raise AssertionError
        assert trio.current_time() == 5


async def test_end_of_the_wait_says_what_was_missing(autojump_clock: MockClock) -> None:
    """Who waited to the end is told of the instance that did not come back, or that there was merely no room."""
    limiter = Limiter(limit=2, queue_timeout=30, max_queue=10)
    goods = Goods(expected=10)
    with pytest.raises(Unavailable):
        async with limiter.slot(need=Wanted(goods)):
            raise AssertionError
    goods.expected = 0
    with pytest.raises(QueueTimeout):
        async with limiter.slot(need=Wanted(goods)):
            raise AssertionError
    assert trio.current_time() == 60
    assert limiter.counts.refused_late == 2


async def test_slot_that_is_put_back_is_waited_for_at_the_head_of_the_line(autojump_clock: MockClock) -> None:
    """Others come first that hold as few, and then its tenant's own first; all its waits together have one timeout."""
    limiter = Limiter(limit=1, queue_timeout=30, max_queue=10)
    served: list[str] = []

    async def visit(tenant: str, seconds: float) -> None:
        with suppress(QueueTimeout):
            async with limiter.slot(tenant):
                served.append(tenant)
                await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(visit, "b", 10)
        await wait_all_tasks_blocked()
        async with limiter.slot("a") as slot:
            assert slot.waited == 10
            nursery.start_soon(visit, "a", 0)
            nursery.start_soon(visit, "b", 15)
            await wait_all_tasks_blocked()
            limiter.put_back(slot)
            assert not await limiter.wait(slot, until=trio.current_time() + 5), "and goes on waiting"
            assert await limiter.wait(slot)
            assert (served, slot.waited) == (["b", "b"], 25)
            nursery.start_soon(visit, "b", 40)
            await wait_all_tasks_blocked()
            limiter.put_back(slot)
            with pytest.raises(QueueTimeout):
                await limiter.wait(slot)
            assert trio.current_time() == 30
    assert load(limiter) == NOTHING


async def test_who_stands_back_lets_others_go_first(autojump_clock: MockClock) -> None:
    """Its own tenant's others wait with it for the pause; it has a slot again, and its waits count as one."""
    limiter = Limiter(limit=1, queue_timeout=30, max_queue=10)
    served: list[str] = []

    async def visit(tenant: str) -> None:
        async with limiter.slot(tenant):
            served.append(tenant)

    async with trio.open_nursery() as nursery, limiter.slot("a") as slot:
        nursery.start_soon(visit, "a")
        nursery.start_soon(visit, "b")
        await wait_all_tasks_blocked()
        await limiter.stand_back(slot)
        assert (served, slot.ticket.standing) == (["b"], "holding")
        assert REFUSED[0] <= trio.current_time() <= REFUSED[1]
        assert slot.waited == trio.current_time()
    assert served == ["b", "a"]
    assert load(limiter) == NOTHING


async def test_who_stands_back_for_too_long_is_told_so(autojump_clock: MockClock) -> None:
    """However often it is refused elsewhere, it waits no longer than the queue timeout, and bars nobody then."""
    limiter = Limiter(limit=1, queue_timeout=5, max_queue=10)

    async def refused() -> None:
        async with limiter.slot("a") as slot:
            while True:
                await limiter.stand_back(slot)

    with pytest.raises(QueueTimeout):
        await refused()
    assert trio.current_time() == pytest.approx(5)
    assert load(limiter) == NOTHING
    async with limiter.slot("a"):
        assert trio.current_time() == pytest.approx(5)


async def test_cancelled_while_it_stands_back_nothing_is_left(autojump_clock: MockClock) -> None:
    """Its tenant's others have their turn at once."""
    limiter = Limiter(limit=1, queue_timeout=30, max_queue=10)
    with trio.move_on_after(REFUSED[0] / 2):
        async with limiter.slot("a") as slot:
            await limiter.stand_back(slot)
    assert load(limiter) == NOTHING
    async with limiter.slot("a"):
        assert trio.current_time() == REFUSED[0] / 2


async def test_spare_slot_is_waited_for_without_end(autojump_clock: MockClock) -> None:
    """Neither a full queue nor its timeout ends the wait; a cancelled one leaves nothing behind."""
    limiter = Limiter(limit=1, queue_timeout=5, max_queue=0)
    async with limiter.slot() as slot:
        with trio.move_on_after(1000) as patience:
            async with limiter.spare(slot):
                raise AssertionError("there is no second slot")
        assert patience.cancelled_caught
        assert load(limiter) == (1, 0)
    assert load(limiter) == NOTHING


async def test_spare_slot_is_had_when_one_comes_free() -> None:
    """And given back at the end of its block."""
    limiter = Limiter(limit=2, queue_timeout=5, max_queue=0)
    async with trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        await guests.arrive("a")
        async with limiter.slot() as slot:
            guests.free("a")
            async with limiter.spare(slot) as spare:
                assert (load(limiter), spare.waited) == ((2, 0), 0)
            assert load(limiter) == (1, 0)


async def test_refusals_are_counted_by_their_kind(autojump_clock: MockClock) -> None:
    """Who finds the queue full, and who waited until the end of the wait; a wait for a while is neither."""
    limiter = Limiter(limit=1, queue_timeout=10, max_queue=1)
    assert astuple(limiter.counts) == (0, 0, 0, 0)
    async with limiter.slot(), trio.open_nursery() as nursery:
        guests = Guests(limiter, nursery)
        await guests.arrive("a", "b")
        assert astuple(limiter.counts) == (1, 1, 1, 0)
        await trio.sleep(9.5)
        limiter.stir()
        await wait_all_tasks_blocked()
        assert not isinstance(guests.refused.get("a"), QueueTimeout)
        await trio.sleep(1)
        assert isinstance(guests.refused["a"], QueueTimeout)
        assert astuple(limiter.counts) == (1, 0, 1, 1)
