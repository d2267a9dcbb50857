"""What a request holds in the store ends by itself unless it is renewed: the longest answer keeps its key's place."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest
import trio

from lingma_trio.state.places_store import LEASE
from lingma_trio.state.script import script_text
from tests.simnet.gateways import Gateway
from tests.simnet.network import Network
from tests.simnet.plays import Talk
from tests.simnet.seeds import chosen_seeds, try_seeds
from tests.simnet.world import World, open_world

pytestmark = pytest.mark.slow

SLOW = ("first=8", "gap=8", "deltas=6")  # an answer of 48 seconds, more than three leases long
ASKED_TOO = (LEASE + 14, LEASE + 27)  # seconds after it began; whoever asks then waits for 20 at the most
CUT_OFF = (8, 14)  # seconds after it began
AWAY = (0.1, 6)  # seconds without the store: a renewal comes too late, and the place is held all the same


async def scene(chance: random.Random, *, text: Callable[[str], bytes] = script_text) -> None:
    """Of a key with one place: while a long answer is made at one gateway, another has none made for it."""
    # What is late from the store lets a gateway go by its own share of the limit, so that nothing is late here.
    async with open_world(chance, Network(chance, lost=0)) as world:
        await world.open_fleet(gateways=2, agents=2, lingmas=1, text=text)
        await world.start()
        for gateway in world.gateways:
            gateway.services.gatekeeper.tenants.anonymous.limits.renew(requests=0, tokens=0, places=1)
        one, other = chance.sample(world.gateways, 2)
        long, short = Talk("long"), Talk("short")
        ends: list[str] = []
        await _ask(long, other, ends)
        long.words = SLOW
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_ask, long, one, ends)
            nursery.start_soon(_lose_the_store, world, one)
            await trio.sleep(chance.uniform(*ASKED_TOO))
            await _ask(short, other, ends)
        assert ends == ["long", "long", "short"], "its place was somebody else's before it was free"
        long.words = ()
        await _ask(long, other, ends)
        assert long.hits == 2, "it goes on in its session"
        await world.settle()


async def _ask(talk: Talk, gateway: Gateway, ends: list[str]) -> None:
    outcome = await talk.go_on(gateway, stream=True)
    assert outcome.kind == "answered", (talk.name, outcome)
    ends.append(talk.name)


async def _lose_the_store(world: World, gateway: Gateway) -> None:
    assert world.store is not None
    between = gateway.host.name, world.store.primary.host.name
    await trio.sleep(world.chance.uniform(*CUT_OFF))
    world.network.cut(*between)
    await trio.sleep(world.chance.uniform(*AWAY))
    world.network.repair(*between)


def test_an_answer_longer_than_a_lease_keeps_place_and_session() -> None:
    """Also where its gateway cannot reach the store for a while."""
    try_seeds(chosen_seeds(8), scene, "tests/simnet/test_leases.py")


def test_places_that_nobody_renews_are_found_out() -> None:
    """The first seed is enough: another answer is made beside the long one."""
    renewal = b"redis.call('ZADD', KEYS[1], till, ARGV[place])"
    assert script_text("places").count(renewal) == 1

    def forgetful(name: str) -> bytes:
        return script_text(name).replace(renewal, b"")

    seen = pytest.RaisesExc(AssertionError, match="somebody else's")
    with pytest.RaisesGroup(seen, flatten_subgroups=True):
        try_seeds([0], partial(scene, text=forgetful), "tests/simnet/test_leases.py")
