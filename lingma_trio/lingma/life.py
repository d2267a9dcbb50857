"""One life of one instance: its process and its channel, from an empty place on the disk to whatever ends it.

Life.live
└─ open_process               drained, ended with SIGTERM, grace, SIGKILL
   ├─ exit watch              the process ended: so does the life
   └─ LIFE NURSERY
      ├─ channel              pump and writer; says goodbye on the way out
      ├─ what the kind of instance needs
      └─ rest watch           tells when what rested may be asked again, or one question more than fitted
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from secrets import token_hex
from typing import NoReturn

import trio

from lingma_trio.errors import ChannelLost, InstanceDown
from lingma_trio.lingma import work_dir
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.options import InstanceOptions
from lingma_trio.lingma.process import LingmaProcess

EXIT_GRACE = 0.5  # seconds a lost channel waits for the end of the process that would explain it


class Life(ABC):
    """One life, led by `live`. `health` is the instance's, which has many lives.

    `on_step` is told what it waits for, `on_error` the method of each call that failed, and `on_room` that a turn ended
    or that what waited to be written has left.
    """

    what = "Lingma"
    """What the program is called in what people read."""
    login_remedy = (
        "Lingma is not logged in; sign in with `lingma-trio login --instance {}`, or carry a login over with "
        "`lingma-trio bundle`"
    )
    """What is told where nobody is signed in, with a gap for the instance's name. Anybody may read it, so it says which
    instance and not whose account."""

    def __init__(
        self,
        options: InstanceOptions,
        health: Health,
        *,
        on_step: Callable[[str], None],
        on_error: Callable[[str], None],
        on_room: Callable[[], None],
    ) -> None:
        self._place = options.work_dir
        self._wait_first = options.prepare
        self._startup_timeout = options.startup_timeout
        self._health = health
        self._on_step = on_step
        self._on_error = on_error
        self._on_room = on_room
        self._waiting_for = ""
        self._began = trio.current_time()
        self._ready_at: float | None = None
        self._last_sign = 0.0
        self.id = token_hex(8)
        """No other life has it, of this process or another: who holds it knows what holds a session."""
        self.channel: RpcChannel | None = None
        """Where to ask, from the handshake to the end of the life."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.channel!r}>"

    @property
    def stood(self) -> float:
        """Seconds from when it was ready to its last sign of life; 0 for one that never was."""
        if self._ready_at is None:
            return 0.0
        last = self.channel.read_at if self.channel is not None else self._last_sign
        return max(0.0, last - self._ready_at)

    @property
    def start_took(self) -> float | None:
        """Seconds from its beginning to when it was ready; None as long as it was not."""
        return None if self._ready_at is None else self._ready_at - self._began

    @property
    def worn(self) -> str:
        """Why it gets no further turn, although it is ready; empty where it does."""
        return ""

    @abstractmethod
    def discard(self, session_id: str) -> None:
        """Take note that nobody will go on with a session. Never waits."""

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
            if self.channel is not None:
                self._last_sign = self.channel.read_at
            self.channel = None
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

    def _step(self, reason: str) -> None:
        self._waiting_for = reason
        self._on_step(reason)

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
