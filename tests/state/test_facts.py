"""What a store says of itself is read, and who shares it."""

from __future__ import annotations

import pytest

from lingma_trio.state.facts import LOOK, StoreFacts
from lingma_trio.state.link import REPLICAS, StoreLink
from tests.real_store import RealServer


async def test_store_tells_who_shares_it(store_link: StoreLink, real_store: RealServer) -> None:
    """Those whose lease has not ended, by their names alone, which need not differ."""
    for end, member in ((1, "gone 1"), (9e15, "b 2"), (9e15, "b 3")):
        real_store.command("ZADD", REPLICAS, int(end), member)
    (reply,) = await store_link.trip(LOOK)
    facts = StoreFacts.read(reply)
    assert facts.replicas == ("b", "b", "tests")
    assert (facts.room, facts.eviction, facts.drops_anything, facts.too_old) == (0, "noeviction", False, False)
    assert f"redis_version:{facts.version}".encode() in real_store.command("INFO", "server")


@pytest.mark.parametrize(("version", "too_old"), [("6.2.14", True), ("7.0.15", False), ("8.1", False), ("", False)])
def test_version_is_judged_by_its_first_number(version: str, too_old: bool) -> None:
    """What cannot be read is not judged."""
    assert StoreFacts(version, 0, "", ()).too_old is too_old


@pytest.mark.parametrize(
    ("room", "eviction", "drops"), [(0, "allkeys-lru", False), (1, "allkeys-lru", True), (1, "volatile-lru", False)]
)
def test_what_goes_first_is_judged(room: int, eviction: str, drops: bool) -> None:
    """A store without a limit drops nothing; one with a limit must leave alone what has no end."""
    assert StoreFacts("7", room, eviction, ()).drops_anything is drops
