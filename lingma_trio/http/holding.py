"""The bytes that one request has under way: its body, and what is fetched on its behalf."""

from __future__ import annotations

from lingma_trio.errors import BytesExceeded
from lingma_trio.policy.byte_budget import ByteBudget

RETRY_AFTER = 2.0  # seconds; most bodies are under way for less


class Holding:
    """What one request holds of the budget, from its first byte until its conversation is needed no longer.

    An `Exchange` has one, which `respond` and the end of the request release in any case. Whoever is done with the
    conversation earlier, and keeps no reference to it, releases it there.
    """

    def __init__(self, budget: ByteBudget, tenant: str) -> None:
        self.size = 0
        self._budget = budget
        self._tenant = tenant

    def __repr__(self) -> str:
        return f"<Holding {self.size} of {self._budget!r}>"

    def take(self, amount: int) -> None:
        """Count `amount` bytes that have come. Raises `BytesExceeded`, and counts nothing, where there is no room."""
        if not self._budget.take(self._tenant, amount):
            raise BytesExceeded(
                "the gateway has no room for more bytes of requests at the moment; send the request again in a moment,"
                " fewer or smaller ones at once, or have the operator raise MAX_BYTES_IN_FLIGHT",
                retry_after=RETRY_AFTER,
            )
        self.size += amount

    def release(self) -> None:
        """Give everything back. Idempotent."""
        self._budget.give_back(self._tenant, self.size)
        self.size = 0
