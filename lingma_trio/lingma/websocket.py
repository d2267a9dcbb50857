"""The WebSocket to one Lingma, over a stream that merges messages which arrive together."""

from __future__ import annotations

import os
from collections.abc import Iterable

import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, wrap_client_stream

from lingma_trio.errors import ChannelLost
from lingma_trio.protocol.framing import MAX_BODY, MAX_HEADER
from lingma_trio.protocol.message_merger import PASSING_SIZE, MessageMerger
from lingma_trio.protocol.text_frame import KEY_SIZE, text_frame

READ_SIZE = 65536  # trio-websocket reads 4 KiB by default: sixteen times the system calls under load
READ_AHEAD = 64  # messages; with trio-websocket's default of 1 a busy loop stops answering pings


class MergingStream(trio.abc.Stream):
    """A stream whose received WebSocket messages are merged; what is sent passes as it is, one sender after the other.

    Owns the stream it is given.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._merger = MessageMerger()
        self._sending = trio.Lock()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Like the stream's own; may return more than `max_bytes` when a message was awaiting its end."""
        while True:
            data = await self._stream.receive_some(max_bytes)
            merged = self._merger.feed(bytes(data))
            if merged or not data:
                return merged

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Like the stream's own."""
        async with self._sending:
            await self._stream.send_all(data)

    async def send_pieces(self, pieces: Iterable[bytes]) -> None:
        """Send a whole in its pieces, with nothing between them. Whoever cancels it in the middle must close."""
        try:
            self._sending.acquire_nowait()
        except trio.WouldBlock:
            await self._sending.acquire()
        try:
            for piece in pieces:
                await self._write(piece)
        finally:
            self._sending.release()

    async def _write(self, data: bytes) -> None:
        """What the kernel takes at once costs no turn of the scheduler; for the rest there is a wait."""
        sent = 0
        if isinstance(self._stream, trio.SocketStream):
            try:
                sent = os.write(self._stream.socket.fileno(), data)
            except BlockingIOError:
                sent = 0
            except OSError as fault:
                raise trio.BrokenResourceError("the other side is gone") from fault
        if sent < len(data):
            await self._stream.send_all(memoryview(data)[sent:])

    async def wait_send_all_might_not_block(self) -> None:
        """Like the stream's own."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


class WebSocket:
    """A client's end of a WebSocket, with the stream it owns."""

    def __init__(self, connection: WebSocketConnection, stream: MergingStream) -> None:
        self._connection = connection
        self._stream = stream
        self.get_message = connection.get_message

    def __repr__(self) -> str:
        return f"<WebSocket {self._connection}>"

    async def send_text(self, text: bytes) -> None:
        """Send one message of text, which is UTF-8 already, in steps that do not hold the loop however long it is.

        Raises `ChannelLost` where the other side is gone. Cancelling in the middle leaves nothing but to close.
        """
        if self._connection.closed is not None:
            raise ChannelLost(f"Lingma closed the channel: {self._connection.closed}")
        try:
            await self._stream.send_pieces(text_frame(text, os.urandom(KEY_SIZE)))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as broken:
            raise ChannelLost("Lingma broke the channel off") from broken

    async def aclose(self) -> None:
        """Say goodbye, wait for the reply, and close the stream. Cancelling leaves out the wait."""
        try:
            await self._connection.aclose()
        finally:
            # trio-websocket leaves the stream of a connection open that the other side has closed or broken off.
            await trio.aclose_forcefully(self._stream)


async def shake_hands(nursery: trio.Nursery, stream: trio.abc.Stream, host: str) -> WebSocket:
    """Make a WebSocket of the connected `stream`; its reader task lives in `nursery`.

    Raises what trio-websocket raises. Closes the stream if it fails or is cancelled; afterwards the WebSocket owns it.
    """
    merging = MergingStream(stream)
    socket = None
    try:
        connection = await wrap_client_stream(
            nursery,
            merging,  # type: ignore[arg-type] # any stream will do, as its documentation says
            host,
            "/",
            message_queue_size=READ_AHEAD,
            max_message_size=MAX_BODY + MAX_HEADER + PASSING_SIZE,
            receive_buffer_size=READ_SIZE,
        )
        socket = WebSocket(connection, merging)
    finally:
        if socket is None:
            await trio.aclose_forcefully(merging)
    return socket


async def connect(nursery: trio.Nursery, port: int) -> WebSocket:
    """Open the WebSocket of the Lingma on the loopback `port`; its reader task lives in `nursery`.

    Raises `ChannelLost` when nothing answers there. Where what answers is no WebSocket, trio-websocket's reader fails
    in `nursery` with a `HandshakeError`. The channel that is run on the connection closes it.
    """
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        return await shake_hands(nursery, stream, f"127.0.0.1:{port}")
    except (OSError, HandshakeError, ConnectionClosed) as fault:
        raise ChannelLost(f"no WebSocket on 127.0.0.1:{port}: {fault}") from fault
