"""What a key may use a minute, and what one request of it uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from lingma_trio.errors import TokenLimitExceeded
from lingma_trio.policy.rate_limit import Allowance, Bucket
from lingma_trio.state.places import Entry
from lingma_trio.state.trips import Trips


class Limits:
    """What the key of `tenant` may use: requests and tokens a minute, and places at once; <= 0 is no limit."""

    __slots__ = ("places", "requests", "tenant", "tokens")

    def __init__(self, tenant: str, *, requests: int = 0, tokens: int = 0, places: int = 0) -> None:
        self.tenant = tenant
        self.requests = _bucket(requests)
        self.tokens = _bucket(tokens)
        self.places = places

    def __repr__(self) -> str:
        return f"<Limits of {self.tenant} {self.requests!r} {self.tokens!r} places={self.places}>"

    def renew(self, *, requests: int, tokens: int, places: int) -> None:
        """Take other limits. One that did not change goes on counting."""
        if requests != (self.requests.per_minute if self.requests is not None else 0):
            self.requests = _bucket(requests)
        if tokens != (self.tokens.per_minute if self.tokens is not None else 0):
            self.tokens = _bucket(tokens)
        self.places = places

    def allowances(self, now: float) -> Iterator[tuple[str, Allowance]]:
        """What is left of `requests` and `tokens`, where they are limited, as far as this gateway knows."""
        if self.requests is not None:
            yield "requests", self.requests.allowance(now)
        if self.tokens is not None:
            yield "tokens", self.tokens.allowance(now)


class Dues(Protocol):
    """What one request uses of its key's limits. `now` is of Trio's clock.

    `trips` are those to the store, where there is one; what is asked there for the same request goes with them.
    """

    @property
    def entry(self) -> Entry:
        """How its turns come in."""

    @property
    def trips(self) -> Trips | None:
        """See above."""

    async def admit(self, now: float) -> float:
        """Count one request; returns 0, or counts nothing and returns the seconds after which it would be let in."""

    def charge(self, tokens: int, now: float) -> float:
        """Count the tokens of what is to be asked, no more than a minute's; returns as `admit`.

        With a store they are counted when the first turn comes in, and 0 is returned.
        """

    def owe(self, tokens: int, now: float) -> None:
        """Count tokens of an answer, be they more than are left."""

    def close(self, forgiven: int) -> None:
        """Give up the place, and give back tokens that were charged for nothing. Never waits."""

    def abandon(self) -> None:
        """Nobody waits for the last trip, so what was to go with it is told without. Never waits."""


def _bucket(per_minute: int) -> Bucket | None:
    return Bucket(per_minute) if per_minute > 0 else None


def tokens_used_up(per_minute: int, tokens: int, wait: float) -> TokenLimitExceeded:
    """What a request is told whose prompt is let in after `wait` seconds."""
    return TokenLimitExceeded(
        f"this API key has {per_minute} tokens a minute, and this prompt has about {tokens}; try again in {wait:.1f} s",
        retry_after=wait,
    )
