"""The operators of several gateways: one is as good as the other, and each knows what to do without the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

from lingma_trio.policy.attempts import LIMIT, LIMIT_OF_ALL
from lingma_trio.state.link import Call, StoreLink
from lingma_trio.state.operators import LIFETIME
from lingma_trio.state.operators_memory import digest
from lingma_trio.state.operators_store import MOST_OUT, TELL, StoreOperators
from tests.state.cut_link import CutLink
from tests.state.modelled import modelled

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.real_store import RealServer

TOKEN = "the-admin-token"


async def test_who_signs_in_at_one_is_known_to_all(store_link: StoreLink) -> None:
    """Until signing out at any of them; to none with another token."""
    here, there = StoreOperators(store_link, TOKEN), StoreOperators(store_link, TOKEN)
    name = await here.begin()
    assert await there.is_open(name)
    assert not await StoreOperators(store_link, "another-token").is_open(name)
    await there.end(name)
    assert not await here.is_open(name)
    assert not await StoreOperators(store_link, TOKEN).is_open(name)


async def test_a_session_has_the_end_that_its_name_says(real_store: RealServer, store_link: StoreLink) -> None:
    """Which nobody can put off; a sign-out is known for as long, and for what clocks may differ."""
    operators = StoreOperators(store_link, TOKEN)
    name = await operators.begin()
    nonce, ends_at, code = name.split(".")
    assert 0 <= float(ends_at) - time.time() - LIFETIME + 60 < 120
    assert len(name) < 100
    assert not await operators.is_open(f"{nonce}.{float(ends_at) + 3600:.0f}.{code}")
    assert not await operators.is_open(f"{nonce}.nan.{code}")
    await operators.end(name)
    (key,) = [text for text in keys(real_store) if ":out:" in text]
    ttl = int(real_store.command("TTL", key).removeprefix(b":"))
    assert LIFETIME < ttl <= LIFETIME + 61
    assert name not in key


async def test_a_link_is_good_at_any_of_them(store_link: StoreLink) -> None:
    """At one of all who follow it at once."""
    here, there = StoreOperators(store_link, TOKEN), StoreOperators(store_link, TOKEN)
    link = await here.offer()
    await there.offer()
    assert await there.is_offered(link)
    taken: list[bool] = []

    async def take(operators: StoreOperators) -> None:
        taken.append(await operators.take(link))

    async with trio.open_nursery() as nursery:
        for operators in (here, there) * 4:
            nursery.start_soon(take, operators)
    assert sorted(taken) == [False] * 7 + [True]


async def test_a_link_is_used_up_for_another_primary_too(autojump_clock: MockClock) -> None:
    """Which may not have heard that somebody followed it."""
    del autojump_clock
    async with modelled() as (network, store, link):
        operators = StoreOperators(link, TOKEN)
        offered = await operators.offer()
        await trio.sleep(1)
        network.cut("primary", "replica")
        assert await operators.take(offered)
        store.crash("primary")
        store.fail_over("replica")
        await trio.sleep(5)
        assert link.up
        assert not await operators.is_offered(offered)
        assert not await operators.take(offered)
        assert await operators.take(await operators.offer())


async def test_going_from_one_to_the_other_is_no_way_round(real_store: RealServer, store_link: StoreLink) -> None:
    """Wrong tokens count wherever they are shown; while all have to wait, names of peers take no room."""
    several = [StoreOperators(store_link, TOKEN) for _ in range(LIMIT + 1)]
    waits = [await operators.failed("a") for operators in several]
    assert waits[:-1] == [0] * LIMIT
    assert waits[-1] > 0
    for number in range(2 * LIMIT_OF_ALL):
        await several[0].failed(f"peer-{number}")
    assert len(keys(real_store)) <= LIMIT_OF_ALL + 2


async def test_who_guesses_cannot_have_the_store_asked(store_link: StoreLink) -> None:
    """Neither by names nor, once told to wait, by tokens; a name of one kind is none of the other."""
    link = CutLink(store_link)
    operators = StoreOperators(link, TOKEN)
    name, offered = await operators.begin(), await operators.offer()
    link.trips.clear()
    for guess in ("", ".", "x" * 70, offered[:-1], f"{offered}0", name[1:]):
        assert not await operators.is_open(guess)
        await operators.end(guess)
        assert not await operators.is_offered(guess)
        assert not await operators.take(guess)
    assert not await operators.is_open(offered)
    assert not await operators.take(name)
    assert link.trips == []
    for _ in range(10 * LIMIT):
        await operators.failed("a")
    assert len(link.trips) == LIMIT


async def test_without_the_store_each_goes_by_what_it_saw(real_store: RealServer, store_link: StoreLink) -> None:
    """Who is signed in stays so, a sign-out holds here and reaches the others later, and no link is offered."""
    here, there = StoreOperators(store_link, TOKEN), StoreOperators(store_link, TOKEN)
    name, other, link = await here.begin(), await here.begin(), await here.offer()
    real_store.freeze()
    assert await here.is_open(name)
    await here.end(name)
    assert not await here.is_open(name)
    assert await there.is_open(name)
    assert (await here.offer(), await here.is_offered(link), await here.take(link)) == ("", False, False)
    assert [await here.failed("a") > 0 for _ in range(LIMIT + 1)] == [False] * LIMIT + [True]
    real_store.thaw()
    with trio.fail_after(10):
        while not store_link.up:  # noqa: ASYNC110 - it is the store's own time
            await trio.sleep(0.01)
    assert await here.is_open(other)
    assert not await there.is_open(name)


async def test_a_sign_out_that_was_told_is_not_told_again(store_link: StoreLink) -> None:
    """What else is asked goes alone then."""
    link = CutLink(store_link)
    operators = StoreOperators(link, TOKEN)
    await operators.end(await operators.begin())
    other = await operators.begin()
    link.trips.clear()
    assert await operators.is_open(other)
    assert link.trips == [["operators"]]


async def test_a_sign_out_reaches_the_others_unasked(model_link: StoreLink, autojump_clock: MockClock) -> None:
    """Once the store is back, though nobody looks at the page of the gateway that it was seen at; and again where the
    store forgot it.
    """
    del autojump_clock
    link = CutLink(model_link)
    here, there = StoreOperators(link, TOKEN), StoreOperators(model_link, TOKEN)
    name = await here.begin()
    link.cut = True
    await here.end(name)
    assert await there.is_open(name)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.keep)
        link.cut = False
        await trio.sleep(2 * TELL)
        assert not await there.is_open(name)
        await model_link.trip(Call("operators", (f"lt:{{operators}}:out:{digest(name).hex()}",), ("unmark",)))
        assert await there.is_open(name)
        await trio.sleep(2 * TELL)
        assert not await there.is_open(name)
        nursery.cancel_scope.cancel("the test is over")


async def test_sign_outs_that_are_remembered_are_bounded(real_store: RealServer, store_link: StoreLink) -> None:
    """However long the store is down; who is not signed in adds none."""
    operators = StoreOperators(store_link, TOKEN)
    real_store.freeze()
    names = [await operators.begin() for _ in range(MOST_OUT + 5)]
    for name in (*names, "x", *names[:5]):
        await operators.end(name)
    assert f"out={MOST_OUT} untold={MOST_OUT}" in repr(operators)
    real_store.thaw()


def keys(store: RealServer) -> list[str]:
    """The names of all keys that there are."""
    count = int(store.command("DBSIZE").removeprefix(b":"))
    found: set[str] = set()
    while len(found) < count:
        found.add(store.command("RANDOMKEY").decode())
    return sorted(found)
