"""A real store for the tests of what gateways share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from lingma_trio.policy.state_address import parse_state_address
from lingma_trio.state.link import StoreLink, kept
from lingma_trio.state.wire import open_wire
from tests.real_store import RealServer
from tests.state.modelled import modelled, until_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="session")
def store_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """One server for all tests of this process."""
    server = RealServer(tmp_path_factory.mktemp("store"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def real_store(store_process: RealServer) -> Iterator[RealServer]:
    """That server, running and empty. The test may freeze, kill and start it."""
    store_process.restore()
    yield store_process
    store_process.restore()


@pytest.fixture
async def store_link(real_store: RealServer) -> AsyncIterator[StoreLink]:
    """A link to it that is up."""
    dial = partial(open_wire, parse_state_address(real_store.url))
    link = StoreLink(dial, name="tests", boot="1")
    async with kept(link):
        await until_up(link)
        yield link


@pytest.fixture
async def model_link() -> AsyncIterator[StoreLink]:
    """A link that is up to the model of a store, which is held to what a real one does wherever both are tried."""
    async with modelled() as (_, _, link):
        yield link
