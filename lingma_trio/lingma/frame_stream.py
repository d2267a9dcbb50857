"""What either end of a WebSocket stands on: the stream it owns, in steps that cost as little as a socket lets them.

Knows bytes, and that a frame which is begun has to be sent to its end. Must not know what frames say.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import trio

from lingma_trio.errors import ChannelLost

if TYPE_CHECKING:
    from collections.abc import Iterable

READ_SIZE = 65536


class FrameStream:
    """A stream of frames, which one task may read while another writes. `gone` is said where the other side is gone.

    `mute` says that nothing more is to be said: the other side is gone, or a frame was cut off. `rest` is what is left
    of a frame that was offered, and goes before the next.
    """

    def __init__(self, stream: trio.abc.Stream, gone: str) -> None:
        self._stream = stream
        self._gone = gone
        self._descriptor = stream.socket.fileno() if isinstance(stream, trio.SocketStream) else -1
        self.rest = b""
        self.mute = False
        self.reads = 0
        """How often something has come, whatever it was: while that grows the other side is there."""

    def __repr__(self) -> str:
        return f"<FrameStream mute={self.mute} reads={self.reads}>"

    async def read(self) -> bytes:
        """What came next, in one step of the task, and one system call, where it is a socket's.

        Raises `ChannelLost` at the end. Cancelling loses nothing.
        """
        try:
            if self._descriptor < 0:
                data = bytes(await self._stream.receive_some(READ_SIZE))
            else:
                await trio.lowlevel.wait_readable(self._descriptor)
                data = os.read(self._descriptor, READ_SIZE)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as fault:
            self.mute = True
            raise ChannelLost(self._gone) from fault
        if not data:
            self.mute = True
            raise ChannelLost(self._gone)
        self.reads += 1
        return data

    async def send(self, pieces: Iterable[bytes]) -> None:
        """Send a frame, with nothing between its pieces. Raises `ChannelLost`.

        Cancelling in the middle leaves nothing but to close.
        """
        whole = False
        try:
            for piece in pieces:
                await self._write(piece)
            whole = True
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as broken:
            raise ChannelLost(self._gone) from broken
        finally:
            self.mute = self.mute or not whole

    async def send_rest(self) -> None:
        """Send what is left of a frame that was offered, if anything is; as `send`."""
        if self.rest:
            rest, self.rest = self.rest, b""
            await self.send([rest])

    def offer(self, pieces: Iterable[bytes]) -> bool:
        """Send a frame of one piece as far as the kernel takes it at once; what is left is the `rest`, which has to be
        empty before. Returns whether any of it was taken, which it never is where there is no socket to write to. Never
        waits.
        """
        if self._descriptor < 0 or self.mute:
            return False
        (frame,) = pieces
        try:
            self.rest = frame[os.write(self._descriptor, frame) :]
        except OSError:  # no room, or nobody there: whoever sends will see
            return False
        return True

    async def aclose(self) -> None:
        """Close the stream at once; what others write to its descriptor later is not written here."""
        self.mute = True
        self._descriptor = -1  # which is another's from here on
        await trio.aclose_forcefully(self._stream)

    async def _write(self, data: bytes) -> None:
        """What the kernel takes at once costs no turn of the scheduler; for the rest there is a wait."""
        sent = 0
        if self._descriptor >= 0:
            try:
                sent = os.write(self._descriptor, data)
            except BlockingIOError:
                sent = 0
        if sent < len(data):
            await self._stream.send_all(memoryview(data)[sent:])
