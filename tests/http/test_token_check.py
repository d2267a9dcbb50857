"""Tokens that are shown: the right one passes, wrong ones are slowed down by peer and in total."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from lingma_trio.errors import Overloaded
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.token_check import TokenCheck
from lingma_trio.keys.key import digest_of
from lingma_trio.policy.attempts import LIMIT, LIMIT_OF_ALL, WINDOW

WANTED = digest_of("right")


async def nothing_more(*_: object) -> Any:  # noqa: ANN401 - stands in for both of ASGI's callables
    await trio.lowlevel.checkpoint()


def request(peer: str = "192.0.2.1") -> Exchange:
    """A request of this peer."""
    return Exchange("stats", {"type": "http", "headers": [], "client": (peer, 1)}, nothing_more, nothing_more)


async def shown_wrong(check: TokenCheck, times: int, peer: str = "192.0.2.1") -> None:
    """Show so many wrong ones, each of which is told no more than that."""
    for _ in range(times):
        assert not await check.passes(request(peer), "wrong", WANTED)


async def test_wrong_ones_wait_and_the_right_one_does_not(autojump_clock: trio.testing.MockClock) -> None:
    """After a few the next is refused with the wait; after the wait there are a few again."""
    check = TokenCheck()
    await shown_wrong(check, LIMIT)
    with pytest.raises(Overloaded) as refused:
        await check.passes(request(), "wrong", WANTED)
    assert refused.value.retry_after == WINDOW
    await trio.sleep(WINDOW)
    await shown_wrong(check, LIMIT)
    assert await check.passes(request(), "right", WANTED)
    await shown_wrong(check, LIMIT)
    assert autojump_clock.current_time() == WINDOW


async def test_many_peers_are_no_way_round() -> None:
    """Wrong ones of all together are bounded, and lock nobody out who has the right one."""
    await trio.lowlevel.checkpoint()  # an exchange begins at a moment of Trio's clock
    check = TokenCheck()
    for number in range(LIMIT_OF_ALL):
        await shown_wrong(check, 1, f"192.0.2.{number}")
    with pytest.raises(Overloaded):
        await check.passes(request("198.51.100.1"), "wrong", WANTED)
    assert await check.passes(request("198.51.100.1"), "right", WANTED)
    assert await check.passes(request("192.0.2.1"), "right", WANTED)


async def test_one_network_is_one_peer() -> None:
    """Who has a whole network of IPv6 addresses has no more tries for that."""
    await trio.lowlevel.checkpoint()  # an exchange begins at a moment of Trio's clock
    check = TokenCheck()
    for number in range(LIMIT):
        await shown_wrong(check, 1, f"2001:db8::{number:x}")
    with pytest.raises(Overloaded):
        await check.passes(request("2001:db8::ffff"), "wrong", WANTED)
    await shown_wrong(check, 1, "2001:db8:0:1::1")


async def test_nothing_shown_is_no_try() -> None:
    """Whoever only looks by is told no, however often."""
    await trio.lowlevel.checkpoint()  # an exchange begins at a moment of Trio's clock
    check = TokenCheck()
    for _ in range(2 * LIMIT):
        assert not await check.passes(request(), "", WANTED)
    assert repr(check) == "<TokenCheck <MemoryOperators sessions=0 <Attempts peers=0 failures=0>>>"
