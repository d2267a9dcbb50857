"""The places of a key: how many of its requests are at work at once, whichever gateway serves them."""

from __future__ import annotations

from typing import Protocol


class Entry(Protocol):
    """How the turns of one request come in among all those of its key, once they have a slot of this gateway.

    Where others have a say in it that takes a trip to the store, with which what else there is to ask goes along.
    """

    @property
    def rivals(self) -> int:
        """Gateways that wait for a place of the key, this one too, as was told with the last refusal."""

    def knock(self) -> None:
        """Have the next trip ask for what `come_in` will want to know. Never waits."""

    async def come_in(self) -> bool:
        """Have a place; returns whether it has one. Where not it is to be asked for again a little later.

        Raises `TokenLimitExceeded` where the tokens of its minute are used up. Cancelling gives up the place.
        """

    def beside(self) -> Entry:
        """That of one more turn of the same request. Its place is to be given up by `leave`."""

    def leave(self) -> None:
        """Give up the place, if it has one. Never waits."""


def share_of(limit: int, replicas: int) -> int:
    """What one of so many gateways lets in by itself while they cannot agree; half where nobody knows how many."""
    return max(1, -(-limit // (replicas or 2)))
