"""What a turn holds while it runs: a slot of the gateway and room on an instance, waited for in one queue."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import trio

from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.limiter import Limiter, Slot, refused_for
from lingma_trio.lingma.pool import Lease
from lingma_trio.state.places import Entry
from lingma_trio.state.places_memory import FREE


class Seat:
    """One request's seat, from `open_seat`; given back and waited for again when its instance fails."""

    def __init__(self, limiter: Limiter, slot: Slot, lease: Lease, entry: Entry) -> None:
        self._limiter = limiter
        self._slot = slot
        self._lease = lease
        self._entry = entry

    def __repr__(self) -> str:
        return f"<Seat {self._slot!r} {self._lease!r}>"

    @property
    def waited(self) -> float:
        """Seconds spent waiting for it."""
        return self._slot.waited

    @property
    def model(self) -> str:
        """The key of the model that is to answer."""
        return self._lease.model

    @property
    def instance(self) -> Instance:
        """The instance that is to be asked, or was the last one."""
        return self._lease.instance

    @property
    def without(self) -> frozenset[str]:
        """The names of the instances that are not to be asked again."""
        return self._lease.without

    def move_to(self, name: str) -> bool:
        """Have the seat with the instance of that name, where that has room; returns whether it is there."""
        left = self._lease.instance
        moved = self._lease.move_to(name)
        if self._lease.instance is not left:
            self._limiter.stir()  # somebody may wait for the room that was left
        return moved

    async def come_in(self) -> bool:
        """As `Entry.come_in`. Where it returns False, `stand_back`."""
        return await self._entry.come_in()

    async def stand_back(self) -> None:
        """Let others have it for a moment, and have it again; as `Limiter.stand_back`."""
        await self._limiter.stand_back(self._slot, rivals=self._entry.rivals)
        self._entry.knock()

    def give_back(self, *, without: str = "") -> None:
        """Let others have it, and have it again after `wait`, with any instance but the one of that name.

        The request goes to the head of its tenant's line. Never waits.
        """
        if without:
            self._lease.without |= {without}
        self._limiter.put_back(self._slot)

    @asynccontextmanager
    async def spare(self, lease: Lease) -> AsyncIterator[Seat]:
        """One more seat for the same request, which has come in, for the length of the block; as `Limiter.spare`."""
        entry = self._entry.beside()
        while True:
            async with self._limiter.spare(self._slot, need=lease) as slot:
                if await entry.come_in():
                    try:
                        yield Seat(self._limiter, slot, lease, entry)
                    finally:
                        entry.leave()
                    return
            await trio.sleep(refused_for(entry.rivals))

    async def wait(self, *, until: float = math.inf) -> bool:
        """As `Limiter.wait`."""
        return await self._limiter.wait(self._slot, until=until)


def open_seat(
    limiter: Limiter, lease: Lease, *, tenant: str, most: int = 0, entry: Entry = FREE
) -> AbstractAsyncContextManager[Seat]:
    """Hold a seat for the length of the block, with which a turn is to `come_in` before it asks.

    Raises, and is cancelled, as `Limiter.enter`. Whoever gave the `entry`, at which it has knocked, sees to its end.
    """
    return _Sitting(limiter, lease, tenant, most, entry)


class _Sitting:
    """The block of one seat. A class, since each request has one and a generator for it costs three times the calls."""

    def __init__(self, limiter: Limiter, lease: Lease, tenant: str, most: int, entry: Entry) -> None:
        self._limiter = limiter
        self._lease = lease
        self._tenant = tenant
        self._most = most
        self._entry = entry
        self._slot: Slot

    async def __aenter__(self) -> Seat:
        self._slot = slot = await self._limiter.enter(self._tenant, most=self._most, need=self._lease)
        self._entry.knock()
        return Seat(self._limiter, slot, self._lease, self._entry)

    async def __aexit__(self, *exception: object) -> None:
        self._limiter.leave(self._slot)
