"""How many chat requests run at once, and who waits for how long.

A slot is a `with` block in the request's own task. It is never handed to another task, so it cannot leak. Whose turn it
is, is decided by `policy.fair_queue`; here is who waits for the decision, and for how long.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from lingma_trio.errors import QueueFull, QueueTimeout
from lingma_trio.policy.fair_queue import FairQueue, Ticket

RETRY_AFTER = 5.0  # seconds a refused client is asked to wait; answers take seconds, so asking sooner only adds load


@dataclass(frozen=True, slots=True)
class LimiterCounts:
    """What the limiter is doing at this moment, and how often it refused."""

    in_flight: int = 0
    queued: int = 0
    refused_full: int = 0
    refused_late: int = 0


class Limiter:
    """At most `limit` holders of a slot, a queue of at most `max_queue` behind them; `limit` <= 0 is no limit.

    Tenants share both fairly; within a tenant whoever came first is first.
    """

    def __init__(self, *, limit: int, queue_timeout: float, max_queue: int) -> None:
        self._queue = FairQueue(limit=limit, max_queue=max_queue)
        self.limit = limit if limit > 0 else None
        self.queue_timeout = queue_timeout
        self.max_queue = max_queue
        self._refused_full = 0
        self._refused_late = 0

    def __repr__(self) -> str:
        return f"<Limiter in_flight={self._queue.holding} queued={self._queue.waiting}>"

    @property
    def counts(self) -> LimiterCounts:
        """The state of the moment."""
        return LimiterCounts(self._queue.holding, self._queue.waiting, self._refused_full, self._refused_late)

    def load(self, tenant: str) -> tuple[int, int]:
        """How many slots the tenant holds, and how many of its requests wait for one."""
        return self._queue.load(tenant)

    @asynccontextmanager
    async def slot(self, tenant: str = "", *, most: int = 0) -> AsyncIterator[float]:
        """Hold a slot for the length of the block; yields the seconds spent waiting for it.

        `most` is how many slots the tenant may hold at once; <= 0 is no bound of its own. Raises `QueueFull` at once,
        or later to the last one of the longest line when a tenant with fewer waiting comes to a full queue, and
        `QueueTimeout` after the queue timeout. Cancelling while waiting leaves the queue; a slot that was granted at
        the same moment goes to the next in line.
        """
        ticket = self._queue.enter(tenant, most=most)
        if ticket.standing == "refused":
            raise self._full(f"{self._queue.waiting} requests are waiting already; try again later")
        try:
            yield 0.0 if ticket.standing == "holding" else await self._wait(ticket)
        finally:
            self._queue.leave(ticket)

    async def _wait(self, ticket: Ticket) -> float:
        began = trio.current_time()
        decided = trio.Event()
        ticket.tell = decided.set
        with trio.move_on_after(self.queue_timeout):
            await decided.wait()
        if ticket.standing == "waiting":
            self._refused_late += 1
            raise QueueTimeout(
                f"no slot came free within {self.queue_timeout:g} s; try again later", retry_after=RETRY_AFTER
            )
        if ticket.standing == "refused":
            raise self._full("the queue is full, and others have fewer requests in it; try again later")
        return trio.current_time() - began

    def _full(self, message: str) -> QueueFull:
        self._refused_full += 1
        return QueueFull(message, retry_after=RETRY_AFTER)
