"""The places that this gateway's requests hold in the store: leases, which one task renews for all of them.

A place is a name in a set, with the end of its lease. A gateway that dies renews nothing, so its places come free by
themselves; one whose lease was lost with a primary is there again after the next renewal.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from secrets import token_hex

import trio

from lingma_trio.errors import StateDown
from lingma_trio.state.link import Budget, Call, Link
from lingma_trio.state.trips import LAST_WORD, Rider, carry

LEASE = 15.0
"""Seconds that a place is held after its last renewal; of the server's time."""

RENEWAL = 5.0
"""Seconds from one renewal to the next."""

PAUSE = 0.5
"""Seconds until the next attempt at what the store did not take."""

LEASE_MS = round(LEASE * 1000)


class PlaceKeeper:
    """The places held here, by tenant, and what the store has to be told for which no request waits."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._boot = token_hex(8)
        self._numbers = count()
        self._held: dict[str, set[str]] = {}
        self._given_up: dict[str, dict[str, float]] = {}  # and when their leases have surely ended
        self._riders: list[Rider] = []
        self._bell = trio.Event()

    def __repr__(self) -> str:
        return f"<PlaceKeeper held={sum(map(len, self._held.values()))} given_up={len(self._given_up)}>"

    def new_name(self) -> str:
        """A name for a place that no other ever has."""
        return f"{self._boot}:{next(self._numbers)}"

    def holding(self, tenant: str) -> int:
        """How many places the tenant's requests hold here."""
        return len(self._held.get(tenant, ()))

    def hold(self, tenant: str, name: str) -> None:
        """A request has this place, be it in the store or, while that is down, only here until the next renewal."""
        self._held.setdefault(tenant, set()).add(name)

    def release(self, tenant: str, name: str) -> None:
        """No request has it any longer; the store is told by somebody else, or by `give_up` after all."""
        held = self._held.get(tenant)
        if held is not None:
            held.discard(name)
            if not held:
                del self._held[tenant]

    def give_up(self, tenant: str, name: str) -> None:
        """Have the store take away a place that it may know, and keep nothing of it here. Never waits."""
        self.release(tenant, name)
        self._given_up.setdefault(tenant, {})[name] = trio.current_time() + LEASE
        self._bell.set()

    def take_over(self, riders: Iterable[Rider]) -> None:
        """Carry what a request that was cut off leaves unsent. Never waits."""
        self._riders += riders
        self._bell.set()

    async def run(self) -> None:
        """Renew and tell, for as long as this runs.

        Cancelling tells, for LAST_WORD seconds at most, what requests left untold that were cut off as well, and leaves
        what is held to the end of its lease.
        """
        due = trio.current_time() + RENEWAL
        try:
            while True:
                with trio.move_on_at(due):
                    await self._bell.wait()
                self._bell = trio.Event()
                renewing = trio.current_time() >= due
                if not await self._tell(renewing=renewing):
                    again = trio.current_time() + PAUSE
                    due = again if renewing else min(due, again)
                elif renewing:
                    due = trio.current_time() + RENEWAL
        finally:
            with trio.move_on_after(LAST_WORD, shield=True):
                await self._tell(renewing=False)

    async def _tell(self, *, renewing: bool) -> bool:
        """Make one trip with what there is to tell; returns whether the store was told, or nothing was to tell."""
        riders, self._riders = self._riders, []
        given_up = self._overdue()
        tenants = {**given_up, **self._held} if renewing else given_up
        if not (riders or tenants):
            return self._link.up
        calls = [_call(name, given_up.get(name, ()), self._held.get(name, ())) for name in tenants]
        try:
            await carry(self._link, riders, calls, Budget())
        except StateDown:
            return False
        for tenant, names in given_up.items():
            self._forget(tenant, names)
        return True

    def _overdue(self) -> dict[str, tuple[str, ...]]:
        """What was given up and is not over by itself yet."""
        now = trio.current_time()
        for tenant, names in list(self._given_up.items()):
            self._forget(tenant, [name for name, end in names.items() if end <= now])
        return {tenant: tuple(names) for tenant, names in self._given_up.items()}

    def _forget(self, tenant: str, names: Iterable[str]) -> None:
        given_up = self._given_up[tenant]
        for name in names:
            given_up.pop(name, None)
        if not given_up:
            del self._given_up[tenant]


def places_key(tenant: str) -> str:
    """Under which the store has a tenant's places."""
    return f"lt:{{{tenant}}}:places"


def _call(tenant: str, given_up: Iterable[str], held: Iterable[str]) -> Call:
    given_up = tuple(given_up)
    return Call("places", (places_key(tenant),), (LEASE_MS, len(given_up), *given_up, *sorted(held)))
