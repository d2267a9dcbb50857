"""The model of a store on a network of its own that loses nothing, and a link to it."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from lingma_trio.state.link import StoreLink, kept
from tests.simnet.clock import Agenda
from tests.simnet.network import FASTEST, Network
from tests.simnet.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def modelled() -> AsyncIterator[tuple[Network, Store, StoreLink]]:
    """A primary and a replica, and a link to them, for the length of the block."""
    chance = random.Random(0)
    network = Network(chance, slowest=FASTEST, lost=0, agenda=Agenda())
    store = Store(network, chance, "primary", "replica")
    async with trio.open_nursery() as nursery:
        await nursery.start(network.agenda.run)
        await nursery.start(store.run)
        link = StoreLink(partial(store.dial, "gateway"), name="tests", boot="1")
        async with kept(link):
            await until_up(link)
            yield network, store, link
        nursery.cancel_scope.cancel("the test is over")


async def until_up(link: StoreLink) -> None:
    """Wait for a link whose first attempt a busy machine may have made too late."""
    with trio.fail_after(20):
        while not link.up:  # noqa: ASYNC110 - it has an event for those who doubt it, and none for this
            await trio.sleep(0.01)
