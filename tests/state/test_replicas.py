"""What gateways tell of themselves: heard by all, and forgotten with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lingma_trio.state.link import StoreLink
from lingma_trio.state.replicas import COUNTS, TELL, Replica, Replicas

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.real_store import RealServer


async def heard(replicas: Replicas, count: int) -> tuple[Replica, ...]:
    """What it has heard as soon as there are so many."""
    with trio.fail_after(20):
        while len(replicas.seen) != count:  # noqa: ASYNC110 - it is the store's own time
            await trio.sleep(0.01)
    return replicas.seen


async def test_each_hears_of_all(store_link: StoreLink, real_store: RealServer) -> None:
    """Also of two that have one name; what nobody reports any more goes."""
    one = Replicas(store_link, "a b", lambda: (7.9, 3))
    async with trio.open_nursery() as nursery:
        for name in ("c", "c"):
            nursery.start_soon(Replicas(store_link, name, lambda: (60.0, 0)).run)
        await wait_all_tasks_blocked()
        await trio.sleep(0.1)
        real_store.command("HSET", "lt:gateways", "dead x", "1 5 5")
        nursery.start_soon(one.run)
        assert await heard(one, 3) == (Replica("a b", 7, 3), Replica("c", 60, 0), Replica("c", 60, 0))
        assert real_store.command("HLEN", "lt:gateways") == b":3"
        nursery.cancel_scope.cancel()


async def test_what_a_key_has_under_way_is_summed(model_link: StoreLink, autojump_clock: MockClock) -> None:
    """Of all the others, each once, whatever they are called; and of nobody while the store is down."""
    told: list[dict[str, tuple[int, int]]] = [{"ann": (1, 0)}, {"ann": (2, 1), "bob": (0, 4)}, {"ann": (3, 0)}]
    every = [Replicas(model_link, "same", lambda: (0.0, 0), partial(told.__getitem__, at)) for at in range(3)]
    async with trio.open_nursery() as nursery:
        for each in every:
            nursery.start_soon(each.run)
        await trio.sleep(2 * TELL)
        assert [each.elsewhere("ann") for each in every] == [(5, 1), (4, 0), (3, 1)]
        assert [each.elsewhere("bob") for each in every] == [(0, 4), (0, 0), (0, 4)]
        told[1] = {}
        await trio.sleep(2 * TELL)
        assert (every[0].elsewhere("ann"), every[0].elsewhere("bob")) == ((3, 0), (0, 0))
        nursery.cancel_scope.cancel()


async def test_what_another_version_tells_of_keys_is_left_out(model_link: StoreLink, autojump_clock: MockClock) -> None:
    """Gateways are replaced one by one, and none may end for what another tells."""
    told: list[Any] = [{"ann": (1, 0)}, ["ann"], {"ann": {"in_flight": 4}}, {"ann": (2, 1)}]
    every = [Replicas(model_link, "same", lambda: (0.0, 0), partial(told.__getitem__, at)) for at in range(4)]
    async with trio.open_nursery() as nursery:
        for each in every:
            nursery.start_soon(each.run)
        await trio.sleep(2 * TELL)
        assert every[0].elsewhere("ann") == (2, 1)
        nursery.cancel_scope.cancel()


async def test_a_report_runs_out(model_link: StoreLink, autojump_clock: MockClock) -> None:
    """Of a gateway that is gone, in the time that it counts."""
    one, other = (Replicas(model_link, name, lambda: (trio.current_time(), 0)) for name in "ab")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.run)
        async with trio.open_nursery() as short:
            short.start_soon(other.run)
            await trio.sleep(2 * TELL)
            assert [each.name for each in one.seen] == ["a", "b"]
            short.cancel_scope.cancel()
        await trio.sleep(COUNTS + TELL)
        assert [each.name for each in one.seen] == ["a"]
        nursery.cancel_scope.cancel()


async def test_while_the_store_is_down_nobody_is_seen(real_store: RealServer, store_link: StoreLink) -> None:
    """What was heard before may be wrong by now."""
    replicas = Replicas(store_link, "a", lambda: (0.0, 0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(replicas.run)
        await heard(replicas, 1)
        real_store.freeze()
        await heard(replicas, 0)
        real_store.thaw()
        await heard(replicas, 1)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("text", ["", "no numbers"])
async def test_the_key_ends_by_itself(real_store: RealServer, store_link: StoreLink, text: str) -> None:
    """When no gateway reports any more."""
    replicas = Replicas(store_link, text, lambda: (0.0, 0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(replicas.run)
        await heard(replicas, 1)
        nursery.cancel_scope.cancel()
    assert 0 < int(real_store.command("TTL", "lt:gateways").removeprefix(b":")) <= COUNTS
