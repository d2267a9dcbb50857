"""One life of one instance that has a process here: that and its channel, from an empty place on the disk to its end.

Life.live
└─ open_process               drained, ended with SIGTERM, grace, SIGKILL
   ├─ exit watch              the process ended: so does the life
   └─ LIFE NURSERY
      ├─ channel              pump and writer; says goodbye on the way out
      ├─ what the kind of instance needs
      └─ rest watch           tells when what rested may be asked again, or one question more than fitted
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

import trio

from lingma_trio.errors import ChannelLost, InstanceDown
from lingma_trio.lingma import work_dir
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.life import Life, LifeListener
from lingma_trio.lingma.options import InstanceOptions
from lingma_trio.lingma.process import LingmaProcess

EXIT_GRACE = 0.5  # seconds a lost channel waits for the end of the process that would explain it


class ProcessLife(Life):
    """One life of a program that runs here. `health` is the instance's, which has many lives."""

    def __init__(self, options: InstanceOptions, health: Health, listener: LifeListener) -> None:
        super().__init__(listener)
        self._place = options.work_dir
        self._wait_first = options.prepare
        self._startup_timeout = options.startup_timeout
        self._health = health

    async def live(self) -> None:
        """Live until something ends it, which leaves as an exception group. Cancelling ends process and channel."""
        if self._wait_first is not None:
            await self._wait_first(self._step)
            self._began = trio.current_time()  # of what it took a start to be possible, the next one has nothing
        await self._prepare()
        try:
            async with self._open_process() as process:
                work_dir.note_child(self._place, process.pid, process.mark)
                await self._serve(process)
        finally:
            self._let_go()
            self._end()
            work_dir.forget_child(self._place)

    async def _serve(self, process: LingmaProcess) -> None:
        async with trio.open_nursery() as watch:
            watch.start_soon(self._watch_exit, process, name="exit watch")
            loss: ExceptionGroup[ChannelLost] | None = None
            try:
                await self._converse(process)
            except* ChannelLost as group:
                loss = group
            if loss is not None:
                # A program that dies takes its end of the connection along, and its end says more than the loss of it.
                with trio.move_on_after(EXIT_GRACE):
                    await process.wait()
                raise loss

    async def _converse(self, process: LingmaProcess) -> None:
        async with trio.open_nursery() as life:
            with trio.move_on_after(self._startup_timeout) as startup:
                await self._begin(life, process)
                self._ready_at = trio.current_time()
            if startup.cancelled_caught:
                raise InstanceDown(
                    f"{self.what} was not ready within {self._startup_timeout:g} s: {self._waiting_for}; "
                    f"{self._where_to_look()}, or raise LINGMA_STARTUP_TIMEOUT",
                    detail=self._tail(process),
                )
            self._keep(life)
            life.start_soon(self._health.watch, name="rest watch")

    async def _watch_exit(self, process: LingmaProcess) -> NoReturn:
        status = await process.wait()
        raise InstanceDown(f"{self.what} ended with status {status}", detail=self._tail(process))

    def _tail(self, process: LingmaProcess) -> str:
        """The program's last words, as they may be shown."""
        return process.tail

    @abstractmethod
    async def _prepare(self) -> None:
        """Make the place ready. Raises `InstanceDown`."""

    @abstractmethod
    def _open_process(self) -> AbstractAsyncContextManager[LingmaProcess]:
        """Run the program for the length of the block; as `open_process`."""

    @abstractmethod
    async def _begin(self, life: trio.Nursery, process: LingmaProcess) -> None:
        """Bring it to where it can be asked, and set `channel`, whose tasks live in `life`. Raises what ends a life."""

    @abstractmethod
    def _keep(self, life: trio.Nursery) -> None:
        """Start what has to run beside the channel."""

    @abstractmethod
    def _where_to_look(self) -> str:
        """Where it says why it was not ready, for the operator."""

    @abstractmethod
    def _end(self) -> None:
        """Take note that nobody can be asked until the next life."""
