"""The dues of a request in a store that gateways share, on a real server, and what each lets in without it."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import TokenLimitExceeded
from lingma_trio.policy.rate_limit import Bucket
from lingma_trio.state.link import REQUEST_BUDGET, StoreLink
from lingma_trio.state.places_store import LEASE
from lingma_trio.state.rates import Limits
from lingma_trio.state.rates_store import SharedDues, SharedEntry, SharedRates
from tests.instant_link import InstantLink
from tests.state.cut_link import CutLink


async def come_in(rates: SharedRates, limits: Limits, tokens: int = 0) -> SharedDues | None:
    """The dues of a request that came in, or None where there was no place."""
    dues = rates.open(limits)
    assert dues.charge(tokens, trio.current_time()) == 0
    return dues if await dues.entry.come_in() else None


async def keep_asking(rates: SharedRates, limits: Limits) -> SharedDues:
    """The dues of a request that comes in at once when it may."""
    while True:
        dues = await come_in(rates, limits)
        if dues is not None:
            return dues


async def leave(dues: SharedDues | None, *, forgiven: int = 0) -> None:
    """End a request."""
    assert dues is not None
    dues.close(forgiven)
    await dues.trips.finish()


def left(limits: Limits) -> dict[str, int]:
    return {kind: allowance.remaining for kind, allowance in limits.allowances(trio.current_time())}


async def test_gateways_share_a_keys_requests(store_link: StoreLink) -> None:
    """What one lets in is used up at the other, whose refusal tells the wait and costs nothing."""
    one, other = SharedRates(CutLink(store_link)), SharedRates(CutLink(store_link))
    limits = [Limits("ann", requests=60) for _ in range(2)]
    for _ in range(30):
        assert await one.open(limits[0]).admit(0.0) == 0
        assert await other.open(limits[1]).admit(0.0) == 0
    waits = [await other.open(limits[1]).admit(0.0) for _ in range(2)]
    assert all(0 < wait <= 1.002 for wait in waits)
    assert left(limits[1]) == {"requests": 0}
    assert await other.open(Limits("bob", requests=60)).admit(0.0) == 0


async def test_who_waits_as_told_is_let_in(store_link: StoreLink) -> None:
    """The wait is true by the store's clock."""
    rates, limits = SharedRates(CutLink(store_link)), Limits("ann", tokens=60_000)
    await leave(await come_in(rates, limits, 60_000))
    with pytest.raises(TokenLimitExceeded) as refused:
        await come_in(rates, limits, 200)
    wait = refused.value.retry_after
    assert wait is not None
    await trio.sleep(wait)
    assert await come_in(rates, limits, 200) is not None


async def test_tokens_are_taken_when_the_turn_comes_in(store_link: StoreLink) -> None:
    """Those of the prompt in advance, the answer's at the end, be they more than are left; unused ones return."""
    rates, limits, elsewhere = SharedRates(CutLink(store_link)), Limits("ann", tokens=600), Limits("ann", tokens=600)
    dues = await come_in(rates, limits, 500)
    assert left(limits)["tokens"] in (100, 101)
    with pytest.raises(TokenLimitExceeded, match="600 tokens a minute, and this prompt has about 200") as refused:
        await come_in(SharedRates(CutLink(store_link)), elsewhere, 200)
    assert refused.value.retry_after == pytest.approx(10, abs=0.5)
    await leave(dues, forgiven=500)
    assert left(limits) == {"tokens": 600}
    dues = await come_in(SharedRates(CutLink(store_link)), elsewhere, 500)
    assert dues is not None
    dues.owe(700, 0.0)
    await leave(dues)
    with pytest.raises(TokenLimitExceeded) as refused:
        await come_in(rates, limits, 200)
    assert refused.value.retry_after == pytest.approx(80, abs=0.5)


async def test_places_are_shared(store_link: StoreLink) -> None:
    """Never more than the key may have, whoever asks; one that is left is had by the next one, at either gateway."""
    gateways = [SharedRates(CutLink(store_link)), SharedRates(CutLink(store_link))]
    limits = Limits("ann", places=3)
    taken = [await come_in(gateways[number % 2], limits) for number in range(4)]
    assert [dues is not None for dues in taken] == [True, True, True, False]
    assert [rates.keeper.holding("ann") for rates in gateways] == [2, 1]
    assert await come_in(gateways[0], Limits("bob", places=3)) is not None
    await leave(taken[0])
    assert gateways[0].keeper.holding("ann") == 1
    assert await come_in(gateways[1], limits) is not None
    assert await come_in(gateways[0], limits) is None


async def test_who_is_refused_a_place_hears_how_many_gateways_wait(store_link: StoreLink) -> None:
    """Each counts once, however many of its requests wait, until it has a place; of another key it knows nothing."""
    gateways = [SharedRates(CutLink(store_link)) for _ in range(3)]
    limits = Limits("ann", places=1)
    holder = await come_in(gateways[0], limits)

    async def refused(number: int) -> int:
        entry = gateways[number].open(limits).entry
        assert not await entry.come_in()
        return entry.rivals

    assert [await refused(number) for number in (0, 1, 1, 2, 0)] == [1, 2, 2, 3, 3]
    other = await come_in(gateways[0], Limits("bob", places=1))
    assert other is not None
    assert other.entry.rivals == 1
    await leave(holder)
    assert await come_in(gateways[1], limits) is not None
    assert await refused(2) == 2, "one has it, and two wait"


async def test_who_waits_for_a_place_has_it_when_it_is_free_and_not_before(store_link: StoreLink) -> None:
    """However long that takes: asking again and again spends nothing of what the request may wait for the store."""
    slow = CutLink(store_link)
    slow.takes = REQUEST_BUDGET / 3
    limits = Limits("ann", places=1)
    holder = await come_in(SharedRates(CutLink(store_link)), limits)
    waiting = SharedRates(slow).open(limits)
    waiting.charge(0, trio.current_time())
    assert [await waiting.entry.come_in() for _ in range(10)] == [False] * 10
    await leave(holder)
    assert await waiting.entry.come_in()


async def test_who_gives_up_before_it_was_asked_asks_for_nothing(store_link: StoreLink) -> None:
    """Neither the last trip nor whoever tells what was left untold takes a place for a request that is over."""
    link = CutLink(store_link)
    rates, limits = SharedRates(link), Limits("ann", tokens=10, places=1)
    for end in (SharedDues.abandon, lambda dues: None):
        dues = rates.open(limits)
        dues.charge(10, trio.current_time())
        dues.entry.knock()
        dues.close(10)
        end(dues)
        await dues.trips.finish()
    assert link.trips == []
    assert await come_in(rates, limits, 10) is not None


async def test_a_place_outlasts_its_limit(store_link: StoreLink) -> None:
    """It is given up as any, also where the key's limit was taken away while it was held."""
    rates, limits = SharedRates(CutLink(store_link)), Limits("ann", places=1)
    dues = await come_in(rates, limits)
    limits.renew(requests=0, tokens=0, places=0)
    await leave(dues)
    assert await come_in(SharedRates(CutLink(store_link)), Limits("ann", places=1)) is not None


async def test_eight_takers_never_hold_more_than_three(store_link: StoreLink) -> None:
    """Racing over two gateways, each gets its turns, and at no time are there four."""
    gateways = [SharedRates(CutLink(store_link)), SharedRates(CutLink(store_link))]
    limits = Limits("ann", places=3)
    inside, most, turns = 0, 0, 0

    async def take(rates: SharedRates) -> None:
        nonlocal inside, most, turns
        for _ in range(20):
            dues = await keep_asking(rates, limits)
            inside += 1
            most = max(most, inside)
            await trio.lowlevel.checkpoint()
            inside -= 1
            turns += 1
            await leave(dues)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(take, gateways[number % 2])
    assert (most, turns) == (3, 160)
    assert not any(rates.keeper.holding("ann") for rates in gateways)


async def test_a_further_turn_that_is_first_asks_for_the_first_one_too(store_link: StoreLink) -> None:
    """Which waits for that answer, and takes neither a second place nor its tokens again."""
    rates, limits = SharedRates(CutLink(store_link)), Limits("ann", tokens=600, places=3)
    dues = rates.open(limits)
    dues.charge(100, trio.current_time())
    entry = dues.entry
    entry.knock()
    further = entry.beside()
    inside: list[bool] = []

    async def come(each: SharedEntry) -> None:
        inside.append(await each.come_in())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come, further)
        await wait_all_tasks_blocked()
        assert not dues.trips.due
        nursery.start_soon(come, entry)
    assert inside == [True, True]
    assert entry.share is None
    assert rates.keeper.holding("ann") == 2
    assert await come_in(rates, limits) is not None
    assert await come_in(rates, limits) is None


async def test_a_refused_place_costs_no_tokens(store_link: StoreLink) -> None:
    """And refused tokens take no place: both are had or neither is."""
    rates, limits = SharedRates(CutLink(store_link)), Limits("ann", tokens=600, places=1)
    first = await come_in(rates, limits, 300)
    assert await come_in(rates, limits, 200) is None
    await leave(first, forgiven=300)
    assert left(limits) == {"tokens": 600}
    await leave(await come_in(rates, limits, 590))
    with pytest.raises(TokenLimitExceeded):
        await come_in(rates, limits, 590)
    assert await come_in(rates, limits, 1) is not None


async def test_nothing_is_asked_where_nothing_is_limited(store_link: StoreLink) -> None:
    """A key without limits makes no trip at all."""
    link = CutLink(store_link)
    rates, limits = SharedRates(link), Limits("ann")
    assert await rates.open(limits).admit(0.0) == 0
    dues = await come_in(rates, limits, 1000)
    assert dues is not None
    dues.owe(1000, 0.0)
    await leave(dues)
    assert link.trips == []


async def test_what_else_is_asked_goes_along(store_link: StoreLink) -> None:
    """Place and tokens make no trip of their own where the same request has something else to ask."""
    link = CutLink(store_link)
    rates = SharedRates(link)
    dues = rates.open(Limits("ann", tokens=100, places=1))
    dues.charge(10, 0.0)
    dues.entry.knock()
    await dues.trips.go()
    assert await dues.entry.come_in()
    dues.owe(5, 0.0)
    dues.close(0)
    await dues.trips.finish()
    assert link.trips == [["dues"], ["dues"]]


@pytest.mark.parametrize(("replicas", "share"), [(0, 3), (2, 3), (4, 2), (100, 1)])
async def test_without_the_store_each_lets_in_its_share(store_link: StoreLink, replicas: int, share: int) -> None:
    """The limit divided by the gateways last known, rounded up, half where that is not known, and one at least."""
    link = CutLink(store_link, replicas=replicas)
    link.cut = True
    rates, limits = SharedRates(link), Limits("ann", requests=5, tokens=5, places=5)
    admitted = [await rates.open(limits).admit(0.0) == 0 for _ in range(6)]
    assert admitted.count(True) == share
    taken = [await come_in(rates, limits) for _ in range(6)]
    assert sum(dues is not None for dues in taken) == share
    await leave(taken[0])
    await leave(await come_in(rates, limits, 5))  # more than the share has in it, but not more than the limit
    with pytest.raises(TokenLimitExceeded):
        await come_in(rates, limits, 5)
    assert link.trips == []


async def test_what_ran_without_the_store_is_known_to_it_afterwards(store_link: StoreLink) -> None:
    """Once, whatever its lease was before; what has ended meanwhile is not there."""
    link = CutLink(store_link)
    rates, limits = SharedRates(link), Limits("ann", places=4)
    before = [await come_in(rates, limits) for _ in range(2)]
    link.cut = True
    assert await come_in(rates, limits) is None  # half of four are there already
    await leave(before[0])
    assert await come_in(rates, limits) is not None
    link.cut = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rates.keeper.run)
        await trio.sleep(0.1)
        other = SharedRates(CutLink(store_link))
        taken = [await come_in(other, limits) for _ in range(3)]
        nursery.cancel_scope.cancel("tested")
    assert [dues is not None for dues in taken] == [True, True, False]


@pytest.mark.parametrize("asked", ["by itself", "along"])
async def test_lost_reply_holds_no_place(store_link: StoreLink, asked: str) -> None:
    """Where nobody knows whether the store let it in, it is within this gateway's share, and never counted twice."""
    link = CutLink(store_link)
    rates, other, limits = SharedRates(link), SharedRates(CutLink(store_link)), Limits("ann", places=2)
    link.deaf = True
    dues = rates.open(limits)
    if asked == "along":
        dues.entry.knock()
        with pytest.raises(Exception, match="lost"):
            await dues.trips.go()
        link.cut = True
    assert await dues.entry.come_in()
    assert await come_in(rates, limits) is None
    link.deaf = link.cut = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rates.keeper.run)
        with trio.fail_after(10):
            await keep_asking(other, limits)
        nursery.cancel_scope.cancel("tested")
    assert await come_in(other, limits) is None


async def test_lost_reply_takes_tokens_once(store_link: StoreLink) -> None:
    """The store may have taken them, so this gateway's share keeps what it has for the others."""
    link = CutLink(store_link, replicas=1)
    rates, limits = SharedRates(link), Limits("ann", tokens=600)
    link.deaf = True
    dues = await come_in(rates, limits, 500)
    link.deaf, link.cut = False, True
    await leave(await come_in(rates, limits, 600))
    with pytest.raises(TokenLimitExceeded):
        await come_in(rates, limits, 100)
    link.cut = False
    await leave(dues)
    with pytest.raises(TokenLimitExceeded):
        await come_in(SharedRates(CutLink(store_link)), limits, 200)


async def test_a_store_that_refuses_leaves_the_limit_to_each_gateways_share(store_link: StoreLink) -> None:
    """One that is full is there and takes nothing, for hours: what it did not take is taken here."""
    link = CutLink(store_link, replicas=1)
    rates, limits = SharedRates(link), Limits("ann", tokens=600, places=9)
    link.full = True
    dues = await come_in(rates, limits, 500)
    with pytest.raises(TokenLimitExceeded):
        await come_in(rates, limits, 500)
    await leave(dues, forgiven=500)
    assert await come_in(rates, limits, 500) is not None


@pytest.mark.parametrize("ahead", [-60, 0, 5, 3600])
async def test_a_bucket_fills_by_the_clock_of_another_primary(ahead: int, autojump_clock: MockClock) -> None:
    """What was used before a failover is there again a minute later at the latest, however far ahead the old clock was;
    asking meanwhile puts nothing off.
    """
    clock = [3600.0 + ahead]
    rates, limits = SharedRates(InstantLink(lambda: trio.current_time() + clock[0])), Limits("ann", tokens=600)
    assert await come_in(rates, limits, 600) is not None
    clock[0] = 3600.0
    for _ in range(6):
        if ahead >= 0:
            with pytest.raises(TokenLimitExceeded):
                await come_in(rates, limits, 600)
        await trio.sleep(10)
    assert await come_in(rates, limits, 600) is not None


@pytest.mark.parametrize("ahead", [0, 5, 3600])
async def test_who_waits_is_counted_by_the_clock_of_another_primary(ahead: int, autojump_clock: MockClock) -> None:
    """Gateways that wait no longer are forgotten a lease later, however far ahead the old clock was."""
    clock = [float(ahead)]
    link, limits = InstantLink(lambda: trio.current_time() + clock[0]), Limits("ann", places=1)
    holder = SharedRates(link)
    assert await come_in(holder, limits) is not None
    assert await come_in(SharedRates(link), limits) is None
    clock[0] = 0.0
    waiting = SharedRates(link).open(limits).entry
    async with trio.open_nursery() as nursery:
        nursery.start_soon(holder.keeper.run)
        for _ in range(4):
            assert not await waiting.come_in()
            await trio.sleep(LEASE / 3 + 0.1)
        nursery.cancel_scope.cancel("the test is over")
    assert waiting.rivals == 1


@pytest.mark.parametrize("seed", range(10))
async def test_the_store_counts_as_a_bucket_does(seed: int, autojump_clock: MockClock) -> None:
    """Whatever is taken, owed and given back when, to the millisecond in which the store tells the time."""
    chance, rates, limits = random.Random(seed), SharedRates(InstantLink()), Limits("ann", tokens=600)
    bucket, told = Bucket(600), limits.tokens
    assert told is not None
    for _ in range(200):
        await trio.sleep(chance.choice((0, 0.5, 3, 20)) * chance.random())
        amount, now = chance.randint(0, 600), trio.current_time()
        dues, wait = rates.open(limits), bucket.wait(amount, now)
        dues.charge(amount, now)
        try:
            assert await dues.entry.come_in()
            said = 0.0
        except TokenLimitExceeded as refusal:
            said = refusal.retry_after or 0.0
        assert said == pytest.approx(wait, abs=0.01)
        if not said:
            bucket.spend(amount, now)
            owed, forgiven = chance.choice(((0, 0), (chance.randint(0, 900), 0), (0, amount)))
            dues.owe(owed, now)
            dues.close(forgiven)
            await dues.trips.finish()
            bucket.settle(owed - forgiven, now)
        assert told.allowance(now).reset == pytest.approx(bucket.allowance(now).reset, abs=0.01)
