"""The server's end of a WebSocket that a gateway opened: a stream of bytes both ways, read by one task and written by
one.

Hands are shaken, and frames are read, by wsproto; what is written, many small messages, are frames without a mask. What
they carry are the frames of `protocol`, of which nothing is known here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Request, TextMessage
from wsproto.utilities import RemoteProtocolError

from lingma_trio.errors import ChannelLost, ProtocolFault
from lingma_trio.lingma.frame_stream import FrameStream
from lingma_trio.protocol.frame_head import TEXT, frame_head

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE: Final = 64 * 1024
"""Bytes written at once: what a step of the loop copies, and encrypts, without holding others up."""

NORMAL: Final = 1000
GONE: Final = "the gateway closed the connection"


class ServerSocket:
    """A `Transport` to one gateway, with the stream it owns. `farewell` is the code that closing it says."""

    def __init__(self, stream: trio.abc.Stream, head: bytes, early: bytes = b"") -> None:
        """`head` is the gateway's, which asks for a WebSocket, and `early` what came behind it.

        Raises `ProtocolFault` where it asks for none.
        """
        self._stream = FrameStream(stream, GONE)
        self._wire = WSConnection(ConnectionType.SERVER)
        self._due: deque[bytes] = deque()  # the handshake's answer, pings, a goodbye
        self._pong = b""  # to the latest ping: those before it need none, and who sends many may read nothing
        self.farewell = NORMAL
        try:
            self._wire.receive_data(head)
            if not any(isinstance(event, Request) for event in self._wire.events()):
                raise ProtocolFault("this is no WebSocket handshake")
            self._due.append(self._wire.send(AcceptConnection()))
            self._wire.receive_data(early or b"")
        except (RemoteProtocolError, UnicodeError) as fault:  # wsproto takes some fields for text, whatever they hold
            raise ProtocolFault(f"this is no WebSocket handshake: {fault}") from fault

    def __repr__(self) -> str:
        return f"<ServerSocket {self._wire.state.name} {self._stream!r}>"

    @property
    def owes(self) -> bool:
        """Whether something goes before the next message: the rest of the one before, or a ping, or its answer."""
        return bool(self._stream.rest or self._due or self._pong)

    def ping(self) -> None:
        """Ask for a sign of life, with the next `send`."""
        if not self.owes and self._wire.state is ConnectionState.OPEN:
            self._due.append(self._wire.send(Ping()))

    async def receive(self) -> bytes:
        """What came in messages since the last call, as far as it came; empty where that is control frames alone.

        Raises `ChannelLost` where the gateway said goodbye or is gone, `ProtocolFault` where it broke the protocol.
        Cancelling loses nothing.
        """
        try:
            carried = self._take()
            if not carried and self._wire.state is not ConnectionState.CLOSED:
                self._wire.receive_data(await self._stream.read())
                carried = self._take()
        except RemoteProtocolError as fault:
            self._stream.mute = True
            raise ProtocolFault(f"the gateway broke the WebSocket protocol: {fault}") from fault
        if not carried and self._wire.state is ConnectionState.CLOSED:
            raise ChannelLost(GONE)
        return carried

    async def send(self, text: bytes = b"") -> None:
        """Send what is owed, and then one message of text, which is UTF-8 already, where it is one.

        Raises `ChannelLost` where the gateway is gone. Cancelling in the middle leaves nothing but to close.
        """
        await self._stream.send_rest()
        while self._due:
            await self._stream.send([self._due.popleft()])
        if self._pong:
            pong, self._pong = self._pong, b""
            await self._stream.send([pong])
        if text:
            await self._stream.send(text_frame(text))

    def offer(self, text: bytes) -> bool:
        """Send one message as far as the kernel takes it at once; what is left goes first with the next `send`.

        Returns whether any of it was taken, which it never is of a long one, or while something is owed.
        """
        if self.owes or len(text) > PIECE or self._wire.state is not ConnectionState.OPEN:
            return False
        return self._stream.offer(text_frame(text))

    async def aclose(self) -> None:
        """Say goodbye with `farewell`, wait for the reply, and close the stream, once nobody receives or sends.

        Cancelling leaves out the wait.
        """
        try:
            if not self._stream.mute:
                await self._say_goodbye()
        except (ChannelLost, ProtocolFault):
            return  # which is what was waited for
        finally:
            await self._stream.aclose()

    async def _say_goodbye(self) -> None:
        if self._wire.state is ConnectionState.OPEN:
            self._part(CloseConnection(code=self.farewell))
        await self.send()
        while self._wire.state is not ConnectionState.CLOSED:
            await self.receive()

    def _part(self, goodbye: CloseConnection) -> None:
        """Have it said last."""
        self._pong = b""
        self._due.append(self._wire.send(goodbye))

    def _take(self) -> bytes:
        """What the messages carried that have been read."""
        carried: list[bytes] = []
        for event in self._wire.events():
            match event:
                case TextMessage(data=text):
                    carried.append(text.encode())
                case BytesMessage(data=data):
                    carried.append(bytes(data))
                case Ping() if self._wire.state is ConnectionState.OPEN:
                    self._pong = self._wire.send(event.response())
                case CloseConnection() if self._wire.state is ConnectionState.REMOTE_CLOSING:
                    self._part(event.response())
                case CloseConnection(reason=reason) if self._wire.state is ConnectionState.OPEN:
                    raise RemoteProtocolError(str(reason))  # of wsproto's own, for a frame that is none
                case _:
                    pass
        return b"".join(carried)


def text_frame(text: bytes) -> Iterator[bytes]:
    """Yield the frame of a `text` in UTF-8 as a server sends it, without a mask: head and first piece, rest."""
    head = frame_head(TEXT, len(text))
    for start in range(0, max(1, len(text)), PIECE):
        yield head + text[start : start + PIECE]
        head = b""
