"""What a request uses where one gateway serves alone: the buckets are here, and everything is decided at once."""

from __future__ import annotations

from lingma_trio.policy.rate_limit import Bucket
from lingma_trio.state.places import Entry
from lingma_trio.state.places_memory import FREE
from lingma_trio.state.rates import Limits
from lingma_trio.state.trips import Trips


class LocalDues:
    """The dues of a request in a gateway that serves alone. Never waits."""

    __slots__ = ("_limits",)

    entry: Entry = FREE
    trips: Trips | None = None

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def admit(self, now: float) -> float:
        """As `Dues.admit`."""
        return _spend(self._limits.requests, 1, now)

    def charge(self, tokens: int, now: float) -> float:
        """As `Dues.charge`."""
        return _spend(self._limits.tokens, tokens, now)

    def owe(self, tokens: int, now: float) -> None:
        """As `Dues.owe`."""
        if self._limits.tokens is not None:
            self._limits.tokens.spend(tokens, now)

    def close(self, forgiven: int) -> None:
        """As `Dues.close`."""
        if self._limits.tokens is not None:
            self._limits.tokens.refund(forgiven)

    def abandon(self) -> None:
        """As `Dues.abandon`."""


def _spend(bucket: Bucket | None, amount: int, now: float) -> float:
    if bucket is None:
        return 0.0
    wait = bucket.wait(amount, now)
    if not wait:
        bucket.spend(amount, now)
    return wait
