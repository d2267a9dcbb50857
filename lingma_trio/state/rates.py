"""What a key may use a minute, and what one request of it uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from lingma_trio.errors import TokenLimitExceeded
from lingma_trio.policy.rate_limit import Allowance, Bucket


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
    """What one request uses of its key's limits. `now` is of Trio's clock."""

    async def admit(self, now: float) -> float:
        """Count one request; returns 0, or counts nothing and returns the seconds after which it would be let in."""

    def charge(self, tokens: int, now: float) -> float:
        """Count the tokens of what is to be asked, no more than a minute's; returns as `admit`."""

    def owe(self, tokens: int, now: float) -> None:
        """Count tokens of an answer, be they more than are left."""

    def forgive(self, tokens: int) -> None:
        """Give tokens back that were charged for nothing."""


def _bucket(per_minute: int) -> Bucket | None:
    return Bucket(per_minute) if per_minute > 0 else None


def tokens_used_up(per_minute: int, tokens: int, wait: float) -> TokenLimitExceeded:
    """What a request is told whose prompt is let in after `wait` seconds."""
    return TokenLimitExceeded(
        f"this API key has {per_minute} tokens a minute, and this prompt has about {tokens}; try again in {wait:.1f} s",
        retry_after=wait,
    )
