"""Reads a response's body to its end or, if need be, not to its end, and then lets go of it at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2
import trio

from lingma_trio.bootstrap.faults import BootstrapFault

WRITE_STALL = 60.0
"""Seconds that taking in one chunk may need, which is a disk's business and not the peer's."""


async def read_body(response: httpx2.Response, take: Callable[[bytes], Awaitable[None]]) -> None:
    """Give every chunk to `take`, as it came over the wire. A `BootstrapFault` or `OSError` of it ends the reading.

    Raises that, or what httpx2 raises for a body that breaks off. Cancelling takes effect between two chunks.
    """
    fault: BootstrapFault | OSError | None = None
    # The client reads through generators within generators. Leaving the loop would abandon the inner ones; a
    # cancellation unwinds all of them, from the socket outwards, if it does not strike in the loop's own body.
    with trio.CancelScope() as reading:
        async for chunk in response.aiter_raw():
            try:
                with trio.move_on_after(WRITE_STALL, shield=True):
                    await take(chunk)
            except (BootstrapFault, OSError) as refusal:
                fault = refusal
                reading.cancel("the rest of the body is of no use")
    if fault is not None:
        raise fault
