"""The bytes that one request has under way: its body, what is fetched for it, and what it leaves unread."""

from __future__ import annotations

from collections.abc import Callable

import trio

from lingma_trio.api.pdf_text import as_one_work
from lingma_trio.errors import BytesExceeded
from lingma_trio.policy.byte_budget import ByteBudget
from lingma_trio.threads import LOOP_SIZE, WORK, Given, Made, apart

RETRY_AFTER = 2.0  # seconds; most bodies are under way for less


class Holding:
    """What one request holds of the budget, from its first byte until its conversation is needed no longer.

    An `Exchange` has one, which `respond` and the end of the request release in any case. Whoever is done with the
    conversation earlier, and keeps no reference to it, releases it there. Large requests of its tenant wait in `line`
    for each other.

    `laborious` says that its size does not tell how long work on it takes, as with a file in it: a small PDF can be a
    second's work.
    """

    def __init__(self, budget: ByteBudget, tenant: str, line: trio.Lock) -> None:
        self.size = 0
        self.laborious = False
        self._budget = budget
        self._tenant = tenant
        self._line = line

    def __repr__(self) -> str:
        return f"<Holding {self.size} of {self._budget!r}>"

    def take(self, amount: int) -> None:
        """Count `amount` bytes that have come. Raises `BytesExceeded`, and counts nothing, where there is no room."""
        if not self._budget.take(self._tenant, amount):
            raise BytesExceeded(
                "the gateway has no room for more bytes of requests and unread answers; send the request again in a"
                " moment, fewer or smaller ones at once, or have the operator raise MAX_BYTES_IN_FLIGHT",
                retry_after=RETRY_AFTER,
            )
        self.size += amount

    async def work(self, function: Callable[[*Given], Made], *given: *Given) -> Made:
        """Work on what is held, as `apart` does; on one request of a tenant at a time that is large or laborious.

        So nobody's large request waits for more than one of each other tenant. What is laborious is worked on in a
        thread, however small it is, and all files in it are one work, which is bounded.
        """
        if self.size <= LOOP_SIZE and not self.laborious:
            return await apart(self.size, function, *given)
        async with self._line:
            return await WORK.run(as_one_work, function, *given)

    def release(self) -> None:
        """Give everything back. Idempotent."""
        if self.size:
            self._budget.give_back(self._tenant, self.size)
            self.size = 0
