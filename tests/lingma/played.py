"""What stands for the process of a life: whether it runs, and when it exits, is the test's to say."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import trio

from lingma_trio.lingma.process import LingmaProcess


class Program:
    """What a life sees of its process. `run` stands for `open_process`; its pid is this very process's."""

    mark = "5a" * 16
    tail = "its last words"

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.running = False
        self._exited = trio.Event()
        self._status = 0

    def exit(self, status: int) -> None:
        """End by itself."""
        self._status = status
        self._exited.set()

    async def wait(self) -> int:
        """Wait for the end; returns the status."""
        await self._exited.wait()
        return self._status

    @asynccontextmanager
    async def run(self) -> AsyncIterator[LingmaProcess]:
        """Run for the length of the block."""
        self.running = True
        try:
            yield cast("LingmaProcess", self)
        finally:
            self.running = False
