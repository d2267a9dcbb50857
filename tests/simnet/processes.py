"""What runs on a host of the simulated network, dies as by SIGKILL, and is started again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager

import trio
from structlog.contextvars import bind_contextvars

from tests.simnet.network import Host


class SimulatedProcess(ABC):
    """One program on one host, life after life. Start `run` in a nursery for each."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._nursery: trio.Nursery | None = None
        self._ended = trio.Event()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.host.name} there={self.there}>"

    @property
    def there(self) -> bool:
        """Whether it runs; one that was killed does not, whatever its tasks still do."""
        return self._nursery is not None and not self.host.down

    @property
    def nursery(self) -> trio.Nursery:
        """What its tasks live in."""
        assert self._nursery is not None
        return self._nursery

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until it dies."""
        self._ended = trio.Event()
        bind_contextvars(host=self.host.name)
        try:
            async with trio.open_nursery() as self._nursery, self._live():
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            self._ended.set()

    async def die(self) -> None:
        """End at once: whatever its tasks still do reaches nobody. Whoever is connected finds out as with SIGKILL."""
        self.host.crash()
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel("killed")
        await self._ended.wait()

    @abstractmethod
    def _live(self) -> AbstractAsyncContextManager[object]:
        """Run everything that it runs for the length of the block, anew."""
