"""Gateways on hosts of the simulated network, put together as real ones but for sockets, disk and processes."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import trio
from starlette.types import ASGIApp

from lingma_trio.http.auth import Gatekeeper
from lingma_trio.http.picture_fetching import PictureBounds
from lingma_trio.http.pictures import Pictures
from lingma_trio.http.routes import build_router
from lingma_trio.http.services import Bounds, Ceiling, Services
from lingma_trio.http.tenants import Tenants
from lingma_trio.lingma.asker import DialogueOptions
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.metrics import Metrics
from lingma_trio.policy.byte_budget import ByteBudget
from lingma_trio.sessions.book import SessionBook
from lingma_trio.state.responses_memory import MemoryResponses
from lingma_trio.state.sessions_memory import MemorySessions
from tests.simnet.network import Host

ROUTER: ASGIApp = build_router()


class Gateway:
    """One gateway. `run` is its process: cancelling it while the host is down is what SIGKILL is to others."""

    def __init__(self, host: Host, instances: list[Instance]) -> None:
        self.host = host
        self.router = ROUTER
        self.lives = 0
        self.services: Services
        self._instances = instances
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve for ever."""
        self.lives += 1
        self.services = services_over(Pool(self._instances))
        try:
            async with trio.open_nursery() as self._nursery:
                for instance in self._instances:
                    self._nursery.start_soon(instance.lives.live, name=f"supervisor of {instance.name}")
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def serve(self, request: Callable[[Gateway], Awaitable[None]]) -> bool:
        """Serve a request as a task of this gateway's, which ends with it; returns whether there is anybody."""
        if self._nursery is None or self.host.down:
            return False
        self._nursery.start_soon(request, self, name="request")
        return True

    def die(self) -> None:
        """End at once."""
        self.host.crash()
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel("killed")


def services_over(pool: Pool) -> Services:
    """The parts of a gateway."""
    sessions = MemorySessions(SessionBook(max_entries=1000, ttl=math.inf))
    bounds = TurnBounds(first_delta=30, idle=10, max_size=1_000_000)
    limiter = Limiter(limit=50, queue_timeout=20, max_queue=100)
    return Services(
        gatekeeper=Gatekeeper(Tenants(), anonymous=True, admin_token="", metrics_token=""),
        limiter=limiter,
        sessions=sessions,
        responses=MemoryResponses(max_entries=100, max_bytes=1_000_000, ttl=3600),
        pool=pool,
        dialogues=Dialogues(limiter, pool, sessions, DialogueOptions(bounds, "org_auto", "chat", reuse_sessions=True)),
        metrics=Metrics(),
        bounds=Bounds(max_request=1_000_000, request_timeout=120, keepalive=15),
        byte_budget=ByteBudget(100_000_000),
        pictures=Pictures(PictureBounds(max_size=1024, seconds=5), enabled=False, fallback="error"),
        ceiling=Ceiling(120, delivery=20),
        notice="",
        created=0,
    )
