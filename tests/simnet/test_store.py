"""The simulated store: what a link to it sees, and what is lost and what is not when servers fail and come back."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from lingma_trio.errors import StateDown
from lingma_trio.state.link import BEAT, LEASE, REQUEST_BUDGET, RETRY_PAUSE, Call, StoreLink, kept
from tests.simnet.network import Network
from tests.simnet.seeds import try_seeds
from tests.simnet.store import LEARNS, Store, StoreServer

SEEDS = 20
SOON = 3 * (BEAT + RETRY_PAUSE)  # a link that is cut off has noticed by then, and one that is not is up again
PRIMARY, REPLICA = "store-0", "store-1"
GATEWAY, OTHER = "gateway-0", "gateway-1"


@asynccontextmanager
async def running(chance: random.Random, *, skew: float = 0.0) -> AsyncIterator[tuple[Network, Store]]:
    """A primary with one replica."""
    async with trio.open_nursery() as nursery:
        network = Network(chance)
        store = Store(network, chance, PRIMARY, REPLICA, skew=skew)
        await nursery.start(store.run)
        yield network, store
        nursery.cancel_scope.cancel("the test is over")


@asynccontextmanager
async def linked(store: Store, client: str = GATEWAY) -> AsyncIterator[StoreLink]:
    """A gateway's link."""
    link = StoreLink(partial(store.dial, client), name=client, boot="1")
    async with kept(link):
        yield link


def under_seeds(scene: Callable[[random.Random], Awaitable[object]]) -> None:
    try_seeds(range(SEEDS), scene, "tests/simnet/test_store.py")


def is_up(link: StoreLink) -> bool:
    """Whether it is now; what it was before says nothing."""
    return link.up


def role(server: StoreServer) -> str:
    """What it is now."""
    return server.role


async def beat(link: StoreLink, name: str) -> int:
    """Have one more name counted; returns how many there are."""
    (count,) = await link.trip(Call("beat", ("lt:names",), (name, 60_000)))
    assert isinstance(count, int)
    return count


def test_a_link_runs_scripts_and_knows_its_equals() -> None:
    """Calls are answered in their order, all of them in one trip, and gateways count each other until they are gone."""

    async def scene(chance: random.Random) -> None:
        async with running(chance, skew=30) as (network, store), linked(store) as link:
            assert is_up(link)
            assert link.replicas == 1
            names = [Call("beat", ("lt:names",), (name, 60_000)) for name in "abc"]
            with trio.move_on_after(5):
                while await link.trip(*names) != [3, 3, 3]:
                    pass
            async with linked(store, OTHER) as other:
                await trio.sleep(SOON)
                assert (link.replicas, other.replicas) == (2, 2)
                network.host(OTHER).crash()
                await trio.sleep(LEASE + SOON)
                assert link.replicas == 1
                network.host(OTHER).boot()

    under_seeds(scene)


@pytest.mark.parametrize("how", ["cut", "frozen"])
def test_nobody_waits_long_for_a_store_that_is_away(how: str) -> None:
    """One request finds out, within its budget; the others do not wait; and the store is back when it is."""

    async def scene(chance: random.Random) -> None:
        async with running(chance) as (network, store), linked(store) as link:
            if how == "cut":
                network.cut(GATEWAY, PRIMARY)
            else:
                store.primary.freeze()
            began = trio.current_time()
            with pytest.raises(StateDown):
                await beat(link, "a")
            assert trio.current_time() - began <= REQUEST_BUDGET
            assert not is_up(link)
            began = trio.current_time()
            with pytest.raises(StateDown):
                await beat(link, "b")
            assert trio.current_time() == began
            if how == "cut":
                network.repair(GATEWAY, PRIMARY)
            else:
                store.primary.thaw()
            await trio.sleep(SOON)
            assert is_up(link)
            assert await beat(link, "c") >= 2, "what was sent arrives after all, long after anybody waits for it"

    under_seeds(scene)


def test_a_primary_that_died_is_nobodys_when_it_is_back() -> None:
    """Who could not reach the new one when it took over finds it once that can be reached."""

    async def scene(chance: random.Random) -> None:
        async with running(chance) as (network, store), linked(store) as link:
            network.cut(GATEWAY, REPLICA)
            store.crash(PRIMARY)
            store.fail_over(REPLICA, clients=[GATEWAY])
            network.repair(GATEWAY, REPLICA)
            store.start(PRIMARY)
            await trio.sleep(SOON)
            assert is_up(link)

    under_seeds(scene)


def test_a_failover_loses_what_had_not_arrived_and_tells_so() -> None:
    """The new primary has another replication id, and of what was written last maybe nothing."""

    async def scene(chance: random.Random) -> None:
        async with running(chance) as (network, store), linked(store) as link:
            old = store.primary
            assert await beat(link, "a") == 1
            await trio.sleep(1)
            network.cut(PRIMARY, REPLICA)
            assert await beat(link, "b") == 2
            store.crash(PRIMARY)
            store.fail_over(REPLICA)
            await trio.sleep(SOON)
            assert is_up(link)
            assert store.primary.epoch != old.epoch
            assert await beat(link, "c") == 2
            store.start(PRIMARY)
            network.heal()
            await trio.sleep(1)
            assert (role(old), old.epoch) == ("replica", store.primary.epoch)
            assert old.keys.values.keys() == store.primary.keys.values.keys()

    under_seeds(scene)


def test_an_old_primary_that_was_cut_off_goes_on_until_it_is_told() -> None:
    """Who is cut off with it writes to it, who is not writes to the new one, and what the old one got is gone."""

    async def scene(chance: random.Random) -> None:
        async with running(chance) as (network, store), linked(store) as link, linked(store, OTHER) as other:
            await trio.sleep(1)
            old = store.primary
            network.partition([PRIMARY, GATEWAY], [REPLICA, OTHER])
            store.fail_over(REPLICA, clients=[GATEWAY, OTHER])
            await trio.sleep(SOON)
            assert is_up(link)
            assert is_up(other)
            assert await beat(link, "a") == 1
            assert await beat(other, "b") == 1
            assert role(old) == role(store.primary) == "primary"
            network.heal()
            await trio.sleep(LEARNS[1] + SOON)
            assert role(old) == "replica"
            assert await beat(link, "c") == 2
            assert is_up(link)

    under_seeds(scene)


def test_a_primary_that_starts_with_nothing_is_another() -> None:
    """Where nobody took its place it leads again, with a replication id of its own and no keys."""

    async def scene(chance: random.Random) -> None:
        async with running(chance) as (_, store), linked(store) as link:
            before = store.primary.epoch
            assert await beat(link, "a") == 1
            store.crash(PRIMARY)
            await trio.sleep(SOON)
            assert not is_up(link)
            store.start(PRIMARY)
            await trio.sleep(SOON)
            assert is_up(link)
            assert store.primary.epoch != before
            assert await beat(link, "b") == 1

    under_seeds(scene)


def test_a_script_that_fails_is_told_and_breaks_nothing() -> None:
    """A call that cannot be carried out is refused, and the next one is."""

    async def scene(chance: random.Random) -> None:
        async with running(chance) as (_, store), linked(store) as link:
            store.primary.keys.replace(b"lt:names", b"text", None)
            with pytest.raises(StateDown):
                await beat(link, "a")
            assert is_up(link)
            store.primary.keys.replace(b"lt:names", None, None)
            assert await beat(link, "b") == 1

    under_seeds(scene)
