"""The use of several gateways in a real store: it adds up, each piece once, for a month."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
import trio

from lingma_trio.errors import StateDown
from lingma_trio.http.use_book import UseBook
from lingma_trio.policy.recent import RequestLine
from lingma_trio.policy.use import DAYS, HOUR, Cell, Tally
from lingma_trio.state.link import Budget, Call, Link, StoreLink
from lingma_trio.state.use import UseNotKept
from lingma_trio.state.use_store import AT_ONCE, StoreUse

if TYPE_CHECKING:
    from tests.real_store import RealServer

NOW = int(time.time() // HOUR)


def cells(*keys: str, hour: int = NOW) -> dict[Cell, Tally]:
    """One request of each of these keys."""
    return {Cell(hour, key, "qwen", "ok"): Tally(1, 10, 20) for key in keys}


def line() -> RequestLine:
    return RequestLine("req", time.time(), "chat", "qwen", "", "", "", 10, 20, 1.0, "ok", "ann")


class LosesReplies:
    """A way to the store on which every so-manieth reply is lost, after the store has done what it was asked."""

    replicas = 1
    up = True

    def __init__(self, link: Link, lost: Sequence[bool]) -> None:
        self._link = link
        self._lost = list(lost)

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        replies = await self._link.trip(*calls, budget=budget)
        if self._lost and self._lost.pop(0):
            raise StateDown("the reply is lost", retry_after=1)
        return replies


@pytest.mark.parametrize("where", ["store", "model"])
async def test_use_of_several_gateways_adds_up(store_link: StoreLink, model_link: StoreLink, where: str) -> None:
    """Of each hour, key, model and outcome; whoever asks is told all of it."""
    link = store_link if where == "store" else model_link
    for boot in ("1", "2", "3"):
        await StoreUse(link, boot).add(1, cells("ann", boot))
    month = await StoreUse(link, "4").month()
    assert month == cells("1", "2", "3") | {Cell(NOW, "ann", "qwen", "ok"): Tally(3, 30, 60)}


async def test_what_is_sent_again_counts_once(store_link: StoreLink) -> None:
    """Also where only a part of it had arrived; the next number is added, and another gateway's same one."""
    keeper = StoreUse(store_link, "1")
    many = cells(*(f"key-{number}" for number in range(3 * AT_ONCE)))
    part = StoreUse(LosesReplies(store_link, [False, False]), "1")
    with trio.CancelScope() as scope:
        scope.cancel()
        await part.add(1, many)
    for _ in range(3):
        await keeper.add(1, many)
    await keeper.add(2, cells("key-0"))
    await StoreUse(store_link, "2").add(1, cells("key-0"))
    assert await keeper.month() == many | {Cell(NOW, "key-0", "qwen", "ok"): Tally(3, 30, 60)}


@pytest.mark.parametrize("lost", [[True], [False, True], [True, True, True, True]], ids=["add", "read", "several"])
async def test_a_lost_reply_costs_no_count_and_makes_none(store_link: StoreLink, lost: list[bool]) -> None:
    """Of a book: what was sent is sent again until that is heard, and what came later goes after it."""
    book = UseBook(StoreUse(LosesReplies(store_link, lost), "1"))
    for _ in range(6):
        book.count(line())
        await book.write()
        await book.month()
    await book.write()
    assert book.fault == ""
    assert list((await book.month()).values()) == [Tally(6, 60, 120)]
    assert list((await StoreUse(store_link, "2").month()).values()) == [Tally(6, 60, 120)]


async def test_what_is_counted_while_the_store_is_down_waits(real_store: RealServer, store_link: StoreLink) -> None:
    """And is told meanwhile, with what is wrong."""
    book = UseBook(StoreUse(store_link, "1"))
    assert book.shared
    real_store.freeze()
    for _ in range(2):
        book.count(line())
        await book.write()
    assert "STATE_URL" in book.fault
    assert list((await book.month()).values()) == [Tally(2, 20, 40)]
    real_store.thaw()
    with trio.fail_after(10):
        while not store_link.up:  # noqa: ASYNC110 - it is the store's own time
            await trio.sleep(0.01)
    await book.write()
    assert book.fault == ""
    assert list((await StoreUse(store_link, "2").month()).values()) == [Tally(2, 20, 40)]


async def test_a_month_is_kept(real_store: RealServer, store_link: StoreLink) -> None:
    """What is older is not told, and each day ends by itself when nobody looks back so far."""
    keeper = StoreUse(store_link, "1")
    now = int(time.time() // HOUR)  # NOW may be another hour's by now, and another day's
    first = now - DAYS * 24
    kept = cells("old", hour=first) | cells("new", hour=now)
    await keeper.add(1, cells("older", hour=first - 1) | kept)
    assert await keeper.month() == kept
    ttl = int(real_store.command("TTL", f"lt:{{use}}:day:{now // 24}").removeprefix(b":"))
    assert DAYS * 86400 < ttl <= (DAYS + 1) * 86400


async def test_a_large_month_is_read_in_parts(store_link: StoreLink) -> None:
    """Whatever a day holds, and whatever names clients use."""
    keeper = StoreUse(store_link, "1")
    many = cells(*(f'"[é {number}' for number in range(5 * AT_ONCE)), "", "\n")
    await keeper.add(1, many | cells("x", hour=NOW - 30))
    assert await keeper.month() == many | cells("x", hour=NOW - 30)


async def test_what_cannot_be_read_is_said(real_store: RealServer, store_link: StoreLink) -> None:
    """With the setting at fault."""
    real_store.freeze()
    with pytest.raises(UseNotKept, match="STATE_URL"):
        await StoreUse(store_link, "1").month()
    real_store.thaw()
