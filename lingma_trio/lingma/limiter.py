"""How many chat requests run at once, and who waits for how long.

A slot is a `with` block in the request's own task. It is never handed to another task, so it cannot leak. Whose turn it
is, is decided by `policy.fair_queue`; here is who waits for the decision, and for how long.
"""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import trio

from lingma_trio.alarm import Alarm
from lingma_trio.errors import GatewayError, InternalError, QueueFull, QueueTimeout
from lingma_trio.policy import fair_queue
from lingma_trio.policy.fair_queue import FairQueue, Ticket

RETRY_AFTER = 5.0  # seconds a refused client is asked to wait; answers take seconds, so asking sooner only adds load


REFUSED = (0.025, 0.1)
"""Seconds, at the least and at the most, until whoever has a slot and was refused a place elsewhere asks again. By
chance, so that gateways that share places do not ask in step."""

FEW = 4
"""Gateways that ask as often as that. More of them ask less often each, and all together as often as these: what it
costs the store that a place is waited for does not grow with their number."""


class Need(fair_queue.Need, Protocol):
    """What a request needs beside a slot, and whether waiting for it makes sense."""

    def expected(self) -> float:
        """Seconds until it may be met; 0 where that can be at any moment, and infinity where nobody knows of any."""

    def refusal(self) -> GatewayError:
        """Why it cannot be met, for those who are not to wait; only asked for while `expected` is not 0."""


class Nothing(fair_queue.Nothing):
    """The need of a request that a slot is enough for."""

    def expected(self) -> float:
        """It can be met at any moment."""
        return 0.0

    def refusal(self) -> GatewayError:
        """There is nothing to refuse."""
        return InternalError("nothing was needed")


NOTHING = Nothing()


@dataclass(frozen=True, slots=True)
class LimiterCounts:
    """What the limiter is doing at this moment, and how often it refused."""

    in_flight: int = 0
    queued: int = 0
    refused_full: int = 0
    refused_late: int = 0


class Slot:
    """A request's place, or its place in the queue. `waited` is how many seconds it has spent in the queue."""

    def __init__(self, ticket: Ticket, need: Need) -> None:
        self.ticket = ticket
        self.need = need
        self.waited = 0.0
        self.bell = Alarm()
        ticket.tell = self.bell.ring

    def __repr__(self) -> str:
        return f"<Slot {self.ticket.standing} waited={self.waited:.1f}>"


class Limiter:
    """At most `limit` holders of a slot, a queue of at most `max_queue` behind them; `limit` <= 0 is no limit.

    Tenants share both fairly; within a tenant whoever came first is first. Whoever knows that a need can be met which
    could not before, or can no longer be, calls `stir`.
    """

    def __init__(self, *, limit: int, queue_timeout: float, max_queue: int) -> None:
        self._queue = FairQueue(limit=limit, max_queue=max_queue)
        self._waiting: dict[Slot, float] = {}  # and when each gives up
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
    async def slot(self, tenant: str = "", *, most: int = 0, need: Need = NOTHING) -> AsyncIterator[Slot]:
        """Hold a slot, and what is needed beside it, for the length of the block; as `enter`."""
        slot = await self.enter(tenant, most=most, need=need)
        try:
            yield slot
        finally:
            self.leave(slot)

    async def enter(self, tenant: str = "", *, most: int = 0, need: Need = NOTHING) -> Slot:
        """A slot, and what is needed beside it, which whoever has it gives to `leave` whatever happens.

        `most` is how many slots the tenant may hold at once; <= 0 is no bound of its own. Raises the need's refusal at
        once where waiting cannot help, and `QueueFull` where the queue is full; later what `wait` raises. Cancelling
        while waiting leaves the queue; a slot that was granted at the same moment goes to the next in line.
        """
        if _is_hopeless(need.expected(), self.queue_timeout):
            raise need.refusal()
        ticket = self._queue.enter(tenant, most=most, need=need)
        if ticket.standing == "refused":
            raise self._full(f"{self._queue.waiting} requests are waiting already; try again later")
        slot = Slot(ticket, need)
        if ticket.standing != "holding":
            entered = False
            try:
                entered = await self.wait(slot)
            finally:
                if not entered:
                    self.leave(slot)
        return slot

    def leave(self, slot: Slot) -> None:
        """Let others have the slot, or its place in the queue. Never waits."""
        self._queue.leave(slot.ticket)

    @asynccontextmanager
    async def spare(self, beside: Slot, *, need: Need = NOTHING) -> AsyncIterator[Slot]:
        """Hold one more slot for a request that holds one, and what is needed with it, for the length of the block.

        It is had when nobody else waits who could have it, which may be never: the wait for it has no end, is no wait
        in the queue, and raises nothing. Cancelling ends it. To be left before the slot `beside` is.
        """
        slot = Slot(self._queue.enter_spare(beside.ticket, need=need), need)
        try:
            if slot.ticket.standing == "waiting":
                await slot.bell.wait()
            yield slot
        finally:
            self._queue.leave(slot.ticket)

    async def wait(self, slot: Slot, *, until: float = math.inf) -> bool:
        """Wait for the slot where it is not held; returns whether it is, at the time `until` at the latest.

        Its waits together end at the queue timeout. Raises `QueueTimeout` then, or the need's refusal once waiting
        cannot help, and `QueueFull` where a tenant with fewer waiting comes to a full queue and this is the last one of
        the longest line. Cancelling leaves it in the queue, for the block of `slot` to take it out.
        """
        if slot.ticket.standing == "holding":
            return True
        began = trio.current_time()
        give_up = began + self.queue_timeout - slot.waited
        try:
            while slot.ticket.standing == "waiting":
                self._check(slot.need, give_up - trio.current_time())
                if trio.current_time() >= until:
                    return False
                self._waiting[slot] = give_up
                with trio.move_on_at(min(give_up, until)):
                    await slot.bell.wait()
        finally:
            self._waiting.pop(slot, None)
            slot.waited += trio.current_time() - began
        if slot.ticket.standing == "refused":
            raise self._full("the queue is full, and others have fewer requests in it; try again later")
        return True

    def put_back(self, slot: Slot) -> None:
        """Let others have the slot, which goes back to the head of its tenant's line; `wait` for it again."""
        self._queue.put_back(slot.ticket)

    async def stand_back(self, slot: Slot, *, rivals: int = 1) -> None:
        """Let others have the slot of a request whose tenant may have no more now by somebody else's word.

        It goes back to the head of its tenant's line, which is passed over for as long as `refused_for` says, and has
        it again at the end. Raises, and is cancelled, as `wait`.
        """
        self._queue.bar(slot.ticket)
        try:
            await self.wait(slot, until=trio.current_time() + refused_for(rivals))
        finally:
            self._queue.unbar(slot.ticket)
        await self.wait(slot)

    def stir(self) -> None:
        """Look again at who can be given what it waits for, and who waits in vain. Never waits."""
        self._queue.deal()
        if not self._waiting:
            return
        now = trio.current_time()
        expected: dict[Hashable, float] = {}
        for slot, give_up in self._waiting.items():
            wish = slot.need.wish
            if wish not in expected:
                expected[wish] = slot.need.expected()
            if _is_hopeless(expected[wish], give_up - now):
                slot.bell.ring()

    def _check(self, need: Need, left: float) -> None:
        """Raise what a request is told that is not to wait, for as many seconds as are left, any longer."""
        expected = need.expected()
        if left <= 0:
            self._refused_late += 1
        if _is_hopeless(expected, left):
            raise need.refusal()
        if left <= 0:
            raise QueueTimeout(
                f"no slot came free within {self.queue_timeout:g} s; try again later", retry_after=RETRY_AFTER
            )

    def _full(self, message: str) -> QueueFull:
        self._refused_full += 1
        return QueueFull(message, retry_after=RETRY_AFTER)


def refused_for(rivals: int) -> float:
    """Seconds until it makes sense to ask again for a place that was refused, and that so many gateways wait for."""
    return random.uniform(*REFUSED) * max(1.0, rivals / FEW)  # noqa: S311 - nobody gains by guessing it


def _is_hopeless(expected: float, left: float) -> bool:
    return expected > 0 and expected >= left
