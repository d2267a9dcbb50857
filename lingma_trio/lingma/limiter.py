"""How many chat requests run at once, and who waits for how long.

A slot is a `with` block in the request's own task. It is never handed to another task, so it cannot leak.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from lingma_trio.errors import QueueFull, QueueTimeout

RETRY_AFTER = 5.0  # seconds a refused client is asked to wait; answers take seconds, so asking sooner only adds load


@dataclass(slots=True)
class LimiterCounts:
    """What the limiter is doing at this moment, and how often it refused."""

    in_flight: int = 0
    queued: int = 0
    refused_full: int = 0
    refused_late: int = 0


class Limiter:
    """At most `limit` holders of a slot, a FIFO queue of at most `max_queue` behind them; `limit` <= 0 is no limit."""

    def __init__(self, *, limit: int, queue_timeout: float, max_queue: int) -> None:
        self._slots = trio.Semaphore(limit) if limit > 0 else None
        self.limit = limit if limit > 0 else None
        self.queue_timeout = queue_timeout
        self.max_queue = max_queue
        self.counts = LimiterCounts()

    def __repr__(self) -> str:
        return f"<Limiter in_flight={self.counts.in_flight} queued={self.counts.queued}>"

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[float]:
        """Hold a slot for the length of the block; yields the seconds spent waiting for it.

        Raises `QueueFull` at once and `QueueTimeout` after the queue timeout. Cancelling while waiting leaves the
        queue; a slot that was granted at the same moment goes to the next in line.
        """
        waited = await self._acquire()
        self.counts.in_flight += 1
        try:
            yield waited
        finally:
            self.counts.in_flight -= 1
            if self._slots is not None:
                self._slots.release()

    async def _acquire(self) -> float:
        if self._slots is None:
            return 0.0
        try:
            self._slots.acquire_nowait()
        except trio.WouldBlock:
            return await self._queue(self._slots)
        return 0.0

    async def _queue(self, slots: trio.Semaphore) -> float:
        if self.counts.queued >= self.max_queue:
            self.counts.refused_full += 1
            raise QueueFull(
                f"{self.counts.queued} requests are waiting already; try again later", retry_after=RETRY_AFTER
            )
        began = trio.current_time()
        self.counts.queued += 1
        try:
            with trio.move_on_after(self.queue_timeout) as patience:
                await slots.acquire()
        finally:
            self.counts.queued -= 1
        if patience.cancelled_caught:
            self.counts.refused_late += 1
            raise QueueTimeout(
                f"no slot came free within {self.queue_timeout:g} s; try again later", retry_after=RETRY_AFTER
            )
        return trio.current_time() - began
