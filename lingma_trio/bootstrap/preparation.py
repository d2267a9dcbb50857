"""Has the binary fetched once for all instances that wait for it, before their first start.

Knows nothing of downloads: it is given what fetches.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from lingma_trio.bootstrap.download import Progress
from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.install import Binary
from lingma_trio.errors import InstanceDown


class Preparation:
    """One fetch, shared. `fetch` is called by whoever comes first, and again after it failed or was cancelled."""

    def __init__(self, fetch: Callable[[Progress], Awaitable[Binary]]) -> None:
        self._fetch = fetch
        self._turn = trio.Lock()
        self.binary: Binary | None = None
        """What there is to run, once it is known."""

    async def wait(self, report: Callable[[str], None]) -> None:
        """Return when there is a binary to run, telling `report` meanwhile what is being waited for.

        Raises `InstanceDown` when there is none to be had, after which the next call tries again. Cancelling leaves the
        fetch to the next one that waits.
        """
        if self.binary is None:
            report("Lingma is being fetched")
            async with self._turn:
                await self._fetch_unless_there(report)

    async def _fetch_unless_there(self, report: Callable[[str], None]) -> None:
        if self.binary is None:
            try:
                self.binary = await self._fetch(lambda done, total: report(described(done, total)))
            except BootstrapFault as fault:
                raise InstanceDown(str(fault)) from fault


def described(done: int, total: int | None) -> str:
    """A download's progress as people read it."""
    if total:
        return f"downloading Lingma, {done * 100 // total} % of {total / 1e6:.0f} MB"
    return f"downloading Lingma, {done / 1e6:.0f} MB"
