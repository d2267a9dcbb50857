"""What is written to one upstream: at once where there is room, and else in order, by one task.

Knows frames and a transport. Must not know what they mean, or who posts them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from lingma_trio.errors import ChannelLost
from lingma_trio.lingma.transport import Transport

WRITE_TIMEOUT = 30.0  # seconds one message may take to leave; an upstream that reads nothing for so long is wedged
MAX_UNSENT = 64 * 1024 * 1024  # bytes waiting to be written; beyond it new questions are refused


class Writer:
    """The writing half of a channel. `run` owns the transport's; `post` is for everybody and never waits.

    `size` is how many bytes wait. `on_room` is called when what waits has come down to MAX_UNSENT.
    """

    def __init__(self, on_room: Callable[[], None]) -> None:
        self._on_room = on_room
        self._unsent: deque[bytes] = deque()
        self.size = 0
        self._writable = trio.Event()
        self._idle: Transport | None = None  # while nothing is being written
        self._settled: trio.Event | None = None

    def __repr__(self) -> str:
        return f"<Writer frames={len(self._unsent)} bytes={self.size}>"

    @property
    def congested(self) -> bool:
        """Whether too much waits to be written for another question."""
        return self.size > MAX_UNSENT

    def post(self, frame: bytes) -> None:
        """See that a message is written: at once where nothing else is, since few have to wait for room."""
        if self._idle is not None and not self._unsent and self._idle.offer(frame):
            if self._idle.owes:
                self._writable.set()
            return
        self._unsent.append(frame)
        self.size += len(frame)
        self._writable.set()

    def stir(self) -> None:
        """Let `run` look what the transport owes."""
        self._writable.set()

    async def run(self, transport: Transport, who: Callable[[], str]) -> None:
        """Write what has to wait for room: no frame is cut off by the cancellation of whoever posted it.

        Raises `ChannelLost`, also where one message does not leave within WRITE_TIMEOUT, which blames `who`.
        """
        while True:
            while self._unsent or transport.owes:
                was_congested = self.congested
                if self._unsent:
                    self.size -= len(self._unsent[0])
                try:
                    with trio.fail_after(WRITE_TIMEOUT):
                        # What is sent is kept by nobody once it is out.
                        await transport.send(self._unsent.popleft() if self._unsent else b"")
                except trio.TooSlowError as slow:
                    raise ChannelLost(f"{who()} reads nothing") from slow
                if was_congested and not self.congested:
                    self._on_room()
            self._writable = trio.Event()
            self._idle = transport
            if self._settled is not None:
                self._settled.set()
            await self._writable.wait()
            self._idle = None

    async def settle(self) -> None:
        """Return once nothing waits to be written, which `run` sees to."""
        self._settled = trio.Event()
        self._writable.set()
        await self._settled.wait()

    def close(self) -> None:
        """Forget what waits; what is posted from here on is kept by nobody's transport."""
        self._idle = None
        self._unsent.clear()
        self.size = 0
