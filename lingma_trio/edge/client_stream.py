"""A client's socket as a stream whose writes wait for the client no longer than it deserves."""

from __future__ import annotations

import os
import socket as sockets
from typing import Final

import structlog
import trio

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.kernel import reset, set_up, spoil, unread_of, unsent_of
from lingma_trio.edge.outflow import Outflow

RECEIVE: Final = 64 * 1024
OBSERVATIONS: Final = 4
"""Looks per `stall_seconds` at whether a client that holds up a write has taken something."""

log = structlog.get_logger("lingma_trio.edge")


class ClientStream(trio.abc.HalfCloseableStream):
    """One accepted socket, which this owns: whoever has the stream closes it.

    A write that is cancelled, or that the client holds up for too long, resets the connection: half a message is none.
    """

    def __init__(self, socket: trio.socket.SocketType, bounds: Bounds) -> None:
        self._socket = socket
        self._bounds = bounds
        self._now = trio.lowlevel.current_clock().current_time  # `trio.current_time` in half the calls
        now = self._now()
        self._outflow = Outflow(now)
        self._look_at = now + bounds.stall_seconds / OBSERVATIONS
        set_up(socket, bounds.stall_seconds)

    def __repr__(self) -> str:
        return f"<ClientStream {self._socket.fileno()} {self._outflow}>"

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What came, empty at the end of it. Raises `trio.BrokenResourceError` for a connection that was reset."""
        size = max_bytes or RECEIVE
        socket = self._socket
        await trio.lowlevel.wait_readable(socket)
        try:
            try:
                return os.read(socket.fileno(), size)
            except BlockingIOError:
                return await socket.recv(size)
        except OSError as fault:
            raise trio.BrokenResourceError("the client reset the connection") from fault

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of `data`. Waits for nothing but room: what the kernel takes at once is no checkpoint.

        Raises `trio.BrokenResourceError` where the client is gone, `trio.ClosedResourceError` where the stream is
        closed, `trio.TooSlowError` for a client that takes too little.
        """
        left = memoryview(data)
        complete = False
        try:
            if self._now() >= self._look_at or self._outflow.held_up:
                self._look()
            while left := self._write(left):
                await self._room()
            complete = True
        except OSError as fault:
            raise trio.BrokenResourceError("the client reset the connection") from fault
        finally:
            if not complete:
                self.reset()

    def write_now(self, data: bytes) -> bytes:
        """Write what there is room for, and wait for nothing; returns what is left. Raises what `send_all` raises."""
        left = memoryview(data)
        taken = False
        try:
            if self._now() >= self._look_at or self._outflow.held_up:
                self._look()
            left = self._write(left)
            taken = True
        except OSError as fault:
            raise trio.BrokenResourceError("the client reset the connection") from fault
        finally:
            if not taken:
                self.reset()
        return bytes(left)

    @property
    def unread(self) -> int:
        """Bytes that the client has said and nobody has read."""
        return unread_of(self._socket)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room for something."""
        await trio.lowlevel.wait_writable(self._socket)

    async def send_eof(self) -> None:
        """Say that nothing more comes; what the client still says can be read."""
        await trio.lowlevel.checkpoint()
        self.say_no_more()

    async def aclose(self) -> None:
        """Close the socket; the kernel delivers what was written."""
        self._socket.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """The same without a checkpoint."""
        self._socket.close()

    def say_no_more(self) -> None:
        """`send_eof` without a checkpoint. A client that has left already is no fault."""
        if self._socket.fileno() < 0:
            return
        try:
            self._socket.shutdown(sockets.SHUT_WR)
        except OSError:
            log.debug("already_gone")

    def reset_at_end(self) -> None:
        """Have the client learn from the socket's close, whenever that is, that what it has is not all."""
        spoil(self._socket)

    def reset(self) -> None:
        """Close the socket so that the client learns that what it has is not all."""
        reset(self._socket)

    def _write(self, data: memoryview) -> memoryview:
        """Hand over what the kernel takes at once; returns what is left."""
        if (descriptor := self._socket.fileno()) < 0:
            raise trio.ClosedResourceError
        try:
            sent = os.write(descriptor, data)
        except BlockingIOError:
            return data
        self._outflow.add(sent)
        return data[sent:]

    async def _room(self) -> None:
        """Wait for room, or for a while. Raises `trio.TooSlowError` for a client that takes too little."""
        unsent, left = self._look()
        rate = self._outflow.rate(unsent, self._now())
        if rate is not None and rate < self._bounds.min_rate:
            log.info("client_too_slow", bytes_per_second=round(rate))
            raise trio.TooSlowError
        with trio.move_on_after(min(left, self._bounds.stall_seconds / OBSERVATIONS)):
            await trio.lowlevel.wait_writable(self._socket)

    def _look(self) -> tuple[int, float]:
        """What waits for the client, in bytes, and the seconds for which it may go on taking nothing of it.

        Raises `trio.TooSlowError` where there are none.
        """
        patience, now = self._bounds.stall_seconds, self._now()
        self._look_at = now + patience / OBSERVATIONS
        unsent = unsent_of(self._socket)
        left = patience - self._outflow.idle(unsent, now)
        if left <= 0:
            log.info("client_stalled", seconds=patience)
            raise trio.TooSlowError
        return unsent, left
