"""What the dues of requests promise: the same for a gateway alone and for those that share a store, or its model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import trio

from lingma_trio.errors import TokenLimitExceeded
from lingma_trio.state.link import StoreLink
from lingma_trio.state.rates import Dues, Limits
from lingma_trio.state.rates_memory import LocalDues
from lingma_trio.state.rates_store import SharedRates
from tests.state.cut_link import CutLink

Open: TypeAlias = Callable[[Limits], Dues]


@pytest.fixture(params=["memory", "store", "model"])
def open_dues(request: pytest.FixtureRequest, store_link: StoreLink, model_link: StoreLink) -> Open:
    """Opens the dues of a request."""
    if request.param == "memory":
        return LocalDues
    return SharedRates(CutLink(store_link if request.param == "store" else model_link)).open


async def charged(dues: Dues, tokens: int) -> float:
    """Charge tokens and come in; returns the wait that a refusal tells, or 0."""
    wait = dues.charge(tokens, trio.current_time())
    try:
        assert wait or await dues.entry.come_in()
    except TokenLimitExceeded as refusal:
        return refusal.retry_after or 0.0
    return wait


async def closed(dues: Dues, forgiven: int = 0) -> None:
    """Close the dues, and have that known."""
    dues.close(forgiven)
    if dues.trips is not None:
        await dues.trips.finish()
    dues.abandon()


def left(limits: Limits) -> dict[str, int]:
    """To the nearest ten, since a little is earned while the test runs."""
    now = trio.current_time()
    return {kind: round(allowance.remaining, -1) for kind, allowance in limits.allowances(now)}


async def test_requests_of_one_key_share_its_limit(open_dues: Open) -> None:
    """Each request has dues of its own; what one used the next finds used, and is told the true wait."""
    limits, other = Limits("ann", requests=2), Limits("bob", requests=2)
    waits = [await open_dues(limits).admit(trio.current_time()) for _ in range(4)]
    assert waits[:2] == [0, 0]
    assert waits[2:] == [pytest.approx(30, abs=0.5)] * 2
    assert left(limits) == {"requests": 0}
    assert await open_dues(other).admit(trio.current_time()) == 0


async def test_prompts_are_counted_at_once_and_answers_at_the_end(open_dues: Open) -> None:
    """Answers may take more than is left, which is owed then; a refusal costs nothing."""
    limits = Limits("ann", tokens=600)
    dues = open_dues(limits)
    assert await charged(dues, 200) == 0
    assert left(limits) == {"tokens": 400}
    dues.owe(300, trio.current_time())
    dues.owe(400, trio.current_time())
    await closed(dues)
    assert left(limits) == {"tokens": 0}
    for _ in range(2):
        assert await charged(open_dues(limits), 100) == pytest.approx(40, abs=0.5)


async def test_what_was_charged_for_nothing_is_given_back(open_dues: Open) -> None:
    """Whole or in part."""
    limits = Limits("ann", tokens=600)
    dues = open_dues(limits)
    assert await charged(dues, 600) == 0
    await closed(dues, 500)
    assert left(limits) == {"tokens": 500}
    assert await charged(open_dues(limits), 490) == 0


async def test_nothing_is_counted_where_nothing_is_limited(open_dues: Open) -> None:
    """Whatever comes is let in, and nothing is owed afterwards."""
    limits = Limits("ann")
    for _ in range(10):
        dues = open_dues(limits)
        assert (await dues.admit(trio.current_time()), await charged(dues, 10**9)) == (0, 0)
        dues.owe(10**9, trio.current_time())
        await closed(dues)
    assert left(limits) == {}


async def test_only_a_changed_limit_starts_anew(open_dues: Open) -> None:
    """Of two limits one is written anew, so that one is whole again; a limit that is taken away bounds nobody."""
    limits = Limits("ann", requests=1, tokens=600)
    dues = open_dues(limits)
    assert (await dues.admit(trio.current_time()), await charged(dues, 600)) == (0, 0)
    limits.renew(requests=1, tokens=60, places=2)
    assert left(limits) == {"requests": 0, "tokens": 60}
    assert limits.places == 2
    assert await charged(open_dues(limits), 60) == 0
    assert await open_dues(limits).admit(trio.current_time()) > 0
    limits.renew(requests=0, tokens=60, places=0)
    assert await open_dues(limits).admit(trio.current_time()) == 0
    await closed(dues)


async def test_a_further_turn_comes_in_beside_the_first(open_dues: Open) -> None:
    """Its tokens are counted already."""
    limits = Limits("ann", tokens=600, places=2)
    dues = open_dues(limits)
    assert await charged(dues, 600) == 0
    further = dues.entry.beside()
    assert await further.come_in()
    further.leave()
    await closed(dues)
