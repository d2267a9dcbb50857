"""Gateways on hosts of the simulated network: what `lingma-trio serve` runs, but for the server and its sockets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from math import inf

import trio
from pydantic import SecretStr
from starlette.types import ASGIApp

from lingma_trio.config import Settings
from lingma_trio.gateway import Ways, open_gateway
from lingma_trio.http.routes import build_router
from lingma_trio.http.services import Services
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.policy.agent_address import AGENT_PORT, AgentAddress
from lingma_trio.policy.state_address import parse_state_address
from lingma_trio.sessions.book import SessionBook
from lingma_trio.state.sessions_memory import MemorySessions
from tests.simnet.agents import TOKEN
from tests.simnet.lingmas import Machine
from tests.simnet.network import Host
from tests.simnet.processes import SimulatedProcess
from tests.simnet.store import Store
from tests.sweep import services_for

ROUTER: ASGIApp = build_router()
SLOTS = 50
PATIENCE = TurnBounds(first_delta=30, idle=10, max_size=1_000_000)


class Gateway(SimulatedProcess):
    """One gateway."""

    services: Services

    def serve(self, request: Callable[[Gateway], Awaitable[None]]) -> bool:
        """Serve a request as a task of this gateway's, which ends with it; returns whether there is anybody."""
        if self.there:
            self.nursery.start_soon(request, self, name="request")
        return self.there

    @abstractmethod
    def _live(self) -> AbstractAsyncContextManager[object]:
        """As `SimulatedProcess`; `services` are there within the block."""


class SharingGateway(Gateway):
    """A gateway as its settings put it together, which shares a store with others and asks the Lingmas of agents."""

    def __init__(self, host: Host, agents: Sequence[str], store: Store, *, session_ttl: float, places: int) -> None:
        super().__init__(host)
        self._places = places
        self._ways = Ways(dial=partial(store.dial, host.name), open_stream=self._open_stream)
        self._settings = Settings(
            lingma_upstream="agents",
            lingma_agents=tuple(AgentAddress("unix", path=f"/{name}") for name in agents),
            agent_token=SecretStr(TOKEN),
            allow_anonymous=True,
            state_url=parse_state_address("valkey://store"),
            replica_name=host.name,
            gateway_max_in_flight=SLOTS,
            gateway_queue_timeout_sec=20,
            gateway_request_timeout=120,
            lingma_first_delta_timeout=30,
            lingma_idle_timeout=10,
            session_cache_ttl_sec=session_ttl,
        )

    @asynccontextmanager
    async def _live(self) -> AsyncIterator[None]:
        async with open_gateway(self._settings, ways=self._ways) as self.services:
            anonymous = self.services.gatekeeper.tenants.anonymous
            anonymous.limits.renew(requests=0, tokens=0, places=self._places)
            yield

    async def _open_stream(self, address: AgentAddress) -> trio.abc.Stream:
        return await self.host.connect(address.path.removeprefix("/"), AGENT_PORT)


class LonelyGateway(Gateway):
    """A gateway with Lingmas of its own and nobody beside it."""

    def __init__(self, host: Host, machines: Sequence[Machine], *, slots: int = SLOTS) -> None:
        super().__init__(host)
        self.book = SessionBook(max_entries=1000, ttl=inf)
        self._machines = machines
        self._slots = slots

    @asynccontextmanager
    async def _live(self) -> AsyncIterator[None]:
        instances = [each.instance(f"lingma-{number}") for number, each in enumerate(self._machines)]
        self.services = services_for(
            instances, MemorySessions(self.book), slots=self._slots, bounds=PATIENCE, request_timeout=120
        )
        async with trio.open_nursery() as nursery:
            for instance in instances:
                nursery.start_soon(instance.lives.live, name=f"supervisor of {instance.name}")
            yield
