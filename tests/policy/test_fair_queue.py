"""The fair queue: nobody is starved, no place lies idle, none is given twice, and nobody who waits is forgotten."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lingma_trio.policy.fair_queue import NOTHING, FairQueue, Need, Ticket

TENANTS = ["a", "b", "c"]


class Visits:
    """Tickets by a name each, and the order in which they came to hold a place."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.tickets: dict[str, Ticket] = {}
        self.told: list[str] = []

    def enter(self, *names: str, most: int = 0, need: Need = NOTHING) -> None:
        """Enter one after the other; a name's letters are its tenant, its digits tell it from others."""
        for name in names:
            ticket = self.tickets[name] = self.queue.enter(name.rstrip("0123456789"), most=most, need=need)
            ticket.tell = lambda name=name: self.told.append(name)  # type: ignore[misc]

    def enter_spare(self, *names: str, beside: str) -> None:
        """The same for spare ones."""
        for name in names:
            ticket = self.tickets[name] = self.queue.enter_spare(self.tickets[beside], need=NOTHING)
            ticket.tell = lambda name=name: self.told.append(name)  # type: ignore[misc]

    def leave(self, *names: str) -> None:
        for name in names:
            self.queue.leave(self.tickets[name])

    def with_standing(self, standing: str) -> list[str]:
        return [name for name, ticket in self.tickets.items() if ticket.standing == standing]


class Goods:
    """What there is so much of; the need of whoever wants one, and of all of them alike."""

    def __init__(self, stock: int = 0) -> None:
        self.stock = stock
        self.looks = 0

    @property
    def wish(self) -> int:
        return id(self)

    def take(self) -> bool:
        self.looks += 1
        if self.stock == 0:
            return False
        self.stock -= 1
        return True

    def release(self) -> None:
        self.stock += 1


def visits(limit: int, max_queue: int = 100) -> Visits:
    return Visits(FairQueue(limit=limit, max_queue=max_queue))


def test_one_tenant_is_served_in_the_order_of_arrival() -> None:
    """Where nobody else is, whoever came first is first."""
    here = visits(2)
    here.enter("a1", "a2", "a3", "a4", "a5")
    assert here.with_standing("holding") == ["a1", "a2"]
    here.leave("a2", "a1", "a3")
    assert here.told == ["a3", "a4", "a5"]


@pytest.mark.parametrize("limit", [1, 2])
def test_quiet_tenant_is_next_however_long_the_other_line_is(limit: int) -> None:
    """The next place that comes free is for the one who holds none."""
    here = visits(limit)
    here.enter(*(f"busy{number}" for number in range(50)))
    here.enter("quiet1")
    here.leave("busy0")
    assert here.told == ["quiet1"]


def test_tenants_that_hold_as_many_take_turns() -> None:
    """With one place, tenants that wait have it one after the other, whoever has the longer line."""
    here = visits(1)
    here.enter("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    here.leave("a1", "b1", "c1", "a2", "b2", "a3")
    assert here.told == ["b1", "c1", "a2", "b2", "a3", "a4"]


def test_places_are_shared_in_equal_parts() -> None:
    """Under a crowd of each, every tenant comes to hold its share and no more."""
    here = visits(6)
    here.enter(*(f"{tenant}{number}" for tenant in TENANTS for number in range(30)))
    for _ in range(20):
        here.leave(here.with_standing("holding")[0])
    holding = Counter(name[0] for name in here.with_standing("holding"))
    assert holding == {"a": 2, "b": 2, "c": 2}


def test_own_bound_keeps_a_tenant_and_nobody_else() -> None:
    """A tenant at its own bound waits although places are free, and others walk past it."""
    here = visits(4)
    here.enter("a1", "a2", "a3", most=1)
    here.enter("b1", "b2")
    assert here.with_standing("holding") == ["a1", "b1", "b2"]
    assert here.queue.load("a") == (1, 2)
    here.leave("a1")
    assert here.told == ["a2"]


def test_own_bound_counts_without_a_limit_for_all() -> None:
    """Where everybody else comes in at once a bounded tenant still waits for itself."""
    here = visits(0)
    here.enter("a1", "a2", most=1)
    here.enter("b1", "b2", "b3")
    assert here.with_standing("waiting") == ["a2"]


def test_bound_that_was_raised_lets_those_in_who_wait() -> None:
    """The bound is the latest one that was given, also for those who wait already."""
    here = visits(4)
    here.enter("a1", "a2", "a3", most=1)
    here.enter("a4", most=3)
    assert here.with_standing("holding") == ["a1", "a2", "a3"]
    assert here.with_standing("waiting") == ["a4"]


def test_one_tenant_alone_has_the_whole_queue() -> None:
    """Room in the queue is not kept for people who are not there."""
    here = visits(1, max_queue=3)
    here.enter("a1", "a2", "a3", "a4", "a5")
    assert here.with_standing("refused") == ["a5"]
    assert here.told == []


def test_full_queue_makes_room_for_whoever_has_less_of_it() -> None:
    """The last one of the longest line goes, as long as the newcomer's line is the shorter one afterwards."""
    here = visits(1, max_queue=4)
    here.enter("a1", "a2", "a3", "a4", "a5")
    here.enter("b1", "b2", "b3")
    assert here.with_standing("refused") == ["a4", "a5", "b3"]
    assert here.told == ["a5", "a4"]
    assert here.queue.waiting == 4


@pytest.mark.parametrize("standing", ["holding", "waiting", "refused"])
def test_leaving_twice_is_leaving_once(standing: str) -> None:
    """A ticket gives back what it has once, and one that was refused gives nothing back."""
    here = visits(1, max_queue=1)
    here.enter("a1", "a2", "a3")
    (name,) = here.with_standing(standing)
    before = (here.queue.holding, here.queue.waiting)
    here.leave(name, name)
    after = {"holding": (1, 0), "waiting": (1, 0), "refused": before}
    assert (here.queue.holding, here.queue.waiting) == after[standing]


def test_tenant_that_left_is_forgotten() -> None:
    """Nothing is kept of a tenant that neither holds nor waits, be it refused or served."""
    here = visits(1, max_queue=0)
    here.enter("a1", "b1")
    here.leave("b1", "a1")
    assert repr(here.queue) == "<FairQueue holding=0 waiting=0 tenants=0>"


def test_whoever_cannot_be_served_is_walked_past() -> None:
    """Another tenant's, and another one of the same tenant, has the place meanwhile; the turn is kept."""
    here, goods = visits(3), Goods()
    here.enter("a1", need=goods)
    here.enter("b1", "a2")
    assert here.with_standing("holding") == ["b1", "a2"]
    goods.stock = 1
    here.enter("a3", need=goods)
    assert here.told == ["a1"]
    assert here.with_standing("waiting") == ["a3"]


def test_what_was_taken_is_there_for_the_next() -> None:
    """A place that is left is left with what it was held with, and both go to whoever waited for either."""
    here, goods = visits(3), Goods(1)
    here.enter("a1", "b1", "b2", need=goods)
    here.enter("c1")
    assert here.with_standing("waiting") == ["b1", "b2"]
    here.leave("a1")
    assert here.told == ["b1"]
    here.leave("b1", "b2", "c1")
    assert goods.stock == 1


def test_what_is_missing_is_looked_for_once() -> None:
    """However many wait for the same thing, a look costs one try."""
    here, goods = visits(100), Goods()
    here.enter(*(f"a{number}" for number in range(50)), need=goods)
    goods.looks = 0
    here.queue.deal()
    assert goods.looks == 1


def test_spare_place_is_what_nobody_waits_for() -> None:
    """It is had while places are free, but behind everybody who waits, within the tenant's bound, in no full queue."""
    here = visits(2, max_queue=1)
    here.enter("a1", most=2)
    here.enter_spare("a2", "a3", beside="a1")
    assert here.with_standing("holding") == ["a1", "a2"]
    assert here.queue.waiting == 0
    here.enter("b1")
    here.leave("a2")
    assert here.with_standing("holding") == ["a1", "b1"]
    here.leave("b1")
    assert here.with_standing("holding") == ["a1", "a3"]
    here.enter_spare("a4", beside="a1")
    here.leave("a4", "a3", "a1")
    assert (here.told, here.queue.holding, here.queue.load("a")) == (["b1", "a3"], 0, (0, 0))


def test_spare_place_keeps_to_the_bound_of_its_tenant() -> None:
    """However many places are free, and to another bound as soon as that is told."""
    here = visits(0)
    here.enter("a1", most=1)
    here.enter_spare("a2", beside="a1")
    assert here.with_standing("waiting") == ["a2"]
    here.enter("a3", most=3)
    assert here.with_standing("waiting") == []


def test_spare_wish_may_outlive_the_line_of_who_was_refused() -> None:
    """Its block ends when whoever had it hears of that, be it after its tenant's others have left and come again."""
    here = visits(2, max_queue=2)
    here.enter("a1", "a2")
    here.enter_spare("a3", "a4", beside="a1")
    here.enter("b1", "d1")
    for put_back in ("a1", "a2"):
        here.queue.put_back(here.tickets[put_back])
    here.enter("c1")
    assert here.with_standing("refused") == ["a1"]
    here.leave("a2", "a3")
    here.enter("a5")
    here.leave("a4")
    assert here.queue.load("a") == (0, 1)


def test_spare_place_that_is_put_back_is_waited_for_as_any() -> None:
    """What was begun in it is to be finished, ahead of its tenant's others."""
    here = visits(2)
    here.enter("a1")
    here.enter_spare("a2", beside="a1")
    here.enter("a3")
    here.queue.put_back(here.tickets["a2"])
    assert here.with_standing("waiting") == ["a3"]


def test_place_that_is_put_back_goes_to_the_head_of_its_line() -> None:
    """Others that hold as few come first, then whoever gave it back; the queue takes it in, full or not."""
    here = visits(1, max_queue=2)
    here.enter("a1", "a2", "b1")
    here.queue.put_back(here.tickets["a1"])
    assert here.told == ["b1"]
    assert here.queue.waiting == 2
    here.leave("b1", "a1")
    assert here.told == ["b1", "a1", "a2"]


def test_place_that_nobody_else_wants_is_had_again() -> None:
    """Who gives its place back while nobody waits has another at once."""
    here, goods = visits(1), Goods(1)
    here.enter("a1", need=goods)
    here.queue.put_back(here.tickets["a1"])
    assert here.with_standing("holding") == ["a1"]
    assert (here.told, goods.stock, here.queue.holding) == (["a1"], 0, 1)


def test_line_of_one_that_is_barred_is_passed_over() -> None:
    """Others have the place, spare ones too; once it may try again it is the first of its tenant."""
    here = visits(2)
    here.enter("a1", "a2", "a3", "b1")
    here.enter_spare("a4", beside="a2")
    here.queue.bar(here.tickets["a1"])
    assert here.with_standing("holding") == ["a2", "b1"]
    here.leave("b1")
    assert here.with_standing("holding") == ["a2"]
    here.queue.unbar(here.tickets["a1"])
    assert here.with_standing("holding") == ["a1", "a2"]


def test_line_is_passed_over_while_any_of_it_is_barred() -> None:
    """Two that were refused at once are both to have tried again."""
    here = visits(2)
    here.enter("a1", "a2", "a3")
    for name in ("a1", "a2"):
        here.queue.bar(here.tickets[name])
    here.queue.unbar(here.tickets["a2"])
    assert here.with_standing("holding") == []
    here.queue.unbar(here.tickets["a1"])
    assert here.with_standing("holding") == ["a1", "a2"]
    here.leave("a1", "a2", "a3")
    assert here.queue.holding == 0


class Crowd(RuleBasedStateMachine):
    """Tenants that come, leave and give up in any order, and want things that are not always there."""

    def __init__(self) -> None:
        super().__init__()
        self.limit, self.max_queue = 3, 5
        self.bounds = {"a": 0, "b": 2, "c": 1}
        self.goods = [Goods(2), Goods(1)]
        self.needs: list[Need] = [*self.goods, NOTHING]
        self.queue = FairQueue(limit=self.limit, max_queue=self.max_queue)
        self.present: list[Ticket] = []
        self.told: Counter[Ticket] = Counter()
        self.returned: set[Ticket] = set()

    def is_missing(self, need: Need) -> bool:
        """Whether there is nothing left of what is needed."""
        return isinstance(need, Goods) and need.stock == 0

    @rule(tenant=st.sampled_from(TENANTS), want=st.integers(0, 2))
    def enter(self, tenant: str, want: int) -> None:
        """Somebody comes."""
        ticket = self.queue.enter(tenant, most=self.bounds[tenant], need=self.needs[want])
        if ticket.standing == "refused":
            longest = max(len(each.line.waiting) for each in self.of("waiting"))
            assert longest <= self.queue.load(tenant)[1] + 1, "refused in a queue of which others have more"
            return
        ticket.tell = lambda: self.tell(ticket)
        self.present.append(ticket)

    def tell(self, ticket: Ticket) -> None:
        """Note who is told, and that nobody was passed over."""
        self.told[ticket] += 1
        if ticket.standing != "holding":
            return
        for other in self.of("waiting"):
            if other.need is not ticket.need and self.is_missing(other.need):
                continue
            if other.line is ticket.line and ticket not in self.returned:
                assert self.present.index(other) > self.present.index(ticket), "a tenant's own order of arrival"
            elif other.line is not ticket.line and other.line.has_room:
                assert other.line.holding >= ticket.line.holding - 1, "one who held more went first"

    @precondition(lambda self: self.present)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """Somebody goes, having had a place or not."""
        ticket = data.draw(st.sampled_from(self.present))
        self.present.remove(ticket)
        self.queue.leave(ticket)

    @precondition(lambda self: self.of("holding"))
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        """Somebody gives a place back and waits for another."""
        ticket = data.draw(st.sampled_from(self.of("holding")))
        self.returned.add(ticket)
        self.told.pop(ticket, None)
        self.queue.put_back(ticket)

    @rule(which=st.integers(0, 1), more=st.integers(0, 2))
    def stock(self, which: int, more: int) -> None:
        """There is more of something."""
        self.goods[which].stock += more
        self.queue.deal()

    @precondition(lambda self: self.present)
    @rule(tenant=st.sampled_from(TENANTS), most=st.integers(0, 3))
    def change_bound(self, tenant: str, most: int) -> None:
        """A tenant's own bound changes; it counts from its next visit on."""
        self.bounds[tenant] = most

    def of(self, standing: str) -> list[Ticket]:
        """Those present with that standing."""
        return [ticket for ticket in self.present if ticket.standing == standing]

    @invariant()
    def everybody_is_counted(self) -> None:
        """The counts are the tickets, and within the limits."""
        holding, waiting = self.of("holding"), self.of("waiting")
        assert (self.queue.holding, self.queue.waiting) == (len(holding), len(waiting))
        assert len(holding) <= self.limit
        assert len(waiting) <= self.max_queue + len(self.returned)
        for tenant in TENANTS:
            mine = [sum(ticket.line.tenant == tenant for ticket in group) for group in (holding, waiting)]
            assert self.queue.load(tenant) == tuple(mine)

    @invariant()
    def no_place_lies_idle(self) -> None:
        """While a place is free nobody waits whose tenant could have it and what is needed with it."""
        if self.queue.holding < self.limit:
            could = [ticket for ticket in self.of("waiting") if ticket.line.has_room]
            assert not [ticket for ticket in could if not self.is_missing(ticket.need)]

    @invariant()
    def everybody_is_told_once(self) -> None:
        """Whoever waits has been told nothing, and nobody twice."""
        assert all(count == 1 for count in self.told.values())
        assert not [ticket for ticket in self.of("waiting") if self.told[ticket]]


TestCrowd = Crowd.TestCase
