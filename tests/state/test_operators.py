"""What whoever knows the operators promises: the same for one gateway alone and for several that share a store."""

from __future__ import annotations

import pytest

from lingma_trio.policy.attempts import LIMIT, LIMIT_OF_ALL, WINDOW
from lingma_trio.state.link import StoreLink
from lingma_trio.state.operators import Operators
from lingma_trio.state.operators_memory import MemoryOperators
from lingma_trio.state.operators_store import StoreOperators


@pytest.fixture(params=["memory", "store", "model"])
def operators(request: pytest.FixtureRequest, store_link: StoreLink, model_link: StoreLink) -> Operators:
    """Nobody is signed in."""
    if request.param == "memory":
        return MemoryOperators()
    return StoreOperators(store_link if request.param == "store" else model_link, "the-admin-token")


async def test_a_session_is_open_until_it_is_ended(operators: Operators) -> None:
    """By its own name alone; ending one ends no other, and what is none is none."""
    first, second = await operators.begin(), await operators.begin()
    assert first != second
    assert await operators.is_open(first)
    await operators.end(first)
    assert not await operators.is_open(first)
    assert await operators.is_open(second)
    for name in ("", ".", "..", "x", f"{second}x", second[:-1], "密码", "a.9999999999.b"):
        assert not await operators.is_open(name)
        await operators.end(name)
    assert await operators.is_open(second)


async def test_a_link_is_good_once(operators: Operators) -> None:
    """Looking does not use it up, another does not take it, and the one before is good no longer."""
    old, link = await operators.offer(), await operators.offer()
    assert link
    assert not await operators.is_offered(old)
    assert not await operators.take("x")
    assert await operators.is_offered(link)
    assert await operators.take(link)
    assert not await operators.is_offered(link)
    assert not await operators.take(link)


async def test_who_goes_on_being_wrong_waits(operators: Operators) -> None:
    """Each peer for itself, until one of its tokens is right; all together after many."""
    assert [await operators.failed("a") for _ in range(LIMIT)] == [0] * LIMIT
    assert WINDOW - 10 < await operators.failed("a") <= WINDOW
    assert await operators.failed("b") == 0
    await operators.succeeded("a")
    assert await operators.failed("a") == 0
    for number in range(LIMIT_OF_ALL):
        await operators.failed(f"peer-{number}")
    assert WINDOW - 10 < await operators.failed("c") <= WINDOW
