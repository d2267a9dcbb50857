"""The WebSocket to one Lingma, or to an agent: a stream of bytes both ways, read by one task and written by one.

Below the handshake, which is wsproto's, there is nothing but the frames of `protocol`: what is read leaves as soon as
it is there, whatever the messages it came in, without a task or a queue of its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request
from wsproto.utilities import RemoteProtocolError

from lingma_trio.errors import ChannelLost, ProtocolFault
from lingma_trio.lingma.frame_stream import READ_SIZE, FrameStream
from lingma_trio.protocol.client_frames import KEY_SIZE, NORMAL, PIECE, answer_to, close_frame, pong_frame, text_frame
from lingma_trio.protocol.server_frames import ServerFrames

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_HEAD = 16 * 1024  # bytes of the answer to the handshake; real ones have 130
END_OF_HEAD = b"\r\n\r\n"


class WebSocket:
    """A client's end of a WebSocket, with the stream it owns. One task may receive while another sends.

    Whoever has something to send while nobody sends may offer it.
    """

    def __init__(self, stream: trio.abc.Stream, early: bytes = b"", *, who: str = "Lingma") -> None:
        """`early` came with the end of the handshake; `who` is what the other side is called."""
        self._stream = FrameStream(stream, f"{who} closed the channel without a goodbye")
        self._who = who
        self._early = early
        self._frames = ServerFrames()

    def __repr__(self) -> str:
        return f"<WebSocket {self._frames} {self._stream!r}>"

    @property
    def reads(self) -> int:
        """How often something has come, pings too: while that grows the other side is there."""
        return self._stream.reads

    @property
    def owes(self) -> bool:
        """Whether something goes before the next message: the rest of the one before, or the answer to a ping."""
        return bool(self._stream.rest) or self._frames.ping is not None

    async def receive(self) -> bytes:
        """What came in messages since the last call, as far as it came; empty where that is control frames alone.

        Raises `ChannelLost` where the other side said goodbye or is gone, `ProtocolFault` where it broke the protocol.
        Cancelling loses nothing.
        """
        frames = self._frames
        if frames.goodbye is None:
            data, self._early = self._early, b""
            try:
                carried = frames.feed(data or await self._stream.read())
            except ProtocolFault:
                self._stream.mute = True
                raise
            if carried or frames.goodbye is None:
                return carried
        raise ChannelLost(f"{self._who} closed the channel: {frames.farewell}")

    async def send(self, text: bytes = b"") -> None:
        """Send one message of text, which is UTF-8 already, in steps that do not hold the loop however long it is.

        What is owed goes first; an empty `text` is no message. Raises `ChannelLost` where the other side is gone.
        Cancelling in the middle leaves nothing but to close.
        """
        frames = self._frames
        if frames.goodbye is not None:
            raise ChannelLost(f"{self._who} closed the channel: {frames.farewell}")
        await self._stream.send_rest()
        if frames.ping is not None:
            said, frames.ping = frames.ping, None
            await self._stream.send([pong_frame(said, os.urandom(KEY_SIZE))])
        if text:
            await self._stream.send(text_frame(text, os.urandom(KEY_SIZE)))

    def offer(self, text: bytes) -> bool:
        """Send one message as far as the kernel takes it at once; what is left goes first with the next `send`.

        Returns whether any of it was taken, which it never is of a long one, or while something is owed.
        """
        if self.owes or len(text) > PIECE or self._frames.goodbye is not None:
            return False
        return self._stream.offer(text_frame(text, os.urandom(KEY_SIZE)))

    async def aclose(self) -> None:
        """Say goodbye, wait for the reply, and close the stream, once nobody receives or sends. Cancelling leaves out
        the wait.
        """
        try:
            if not (self._stream.mute or self._stream.rest):
                await self._say_goodbye()
        except (ChannelLost, ProtocolFault):
            return  # which is what was waited for
        finally:
            await self._stream.aclose()

    async def _say_goodbye(self) -> None:
        frames = self._frames
        said = NORMAL if frames.goodbye is None else answer_to(frames.goodbye)
        await self._stream.send([close_frame(said, os.urandom(KEY_SIZE))])
        while frames.goodbye is None:
            frames.feed(await self._stream.read())


class Declined(ProtocolFault):
    """The other side speaks HTTP and does not go on as a WebSocket; `status` is its answer's, 0 where it has none."""

    def __init__(self, line: str) -> None:
        super().__init__(f"what answers is no WebSocket, but says {line!r}")
        status = line.split(" ")[1:2]
        self.status = int(status[0]) if status and status[0].isdecimal() else 0


async def shake_hands(
    stream: trio.abc.Stream,
    host: str,
    *,
    target: str = "/",
    headers: Sequence[tuple[bytes, bytes]] = (),
    who: str = "Lingma",
) -> WebSocket:
    """Make a WebSocket of the connected `stream`, which it owns afterwards.

    Raises `ChannelLost` where the other side leaves, `ProtocolFault` where it does not go on as a WebSocket, which is
    `Declined` where it says so. Closes the stream if it fails or is cancelled.
    """
    socket = None
    try:
        wire = WSConnection(ConnectionType.CLIENT)
        await stream.send_all(wire.send(Request(host=host, target=target, extra_headers=[*headers])))
        answer = b""
        while (end := answer.find(END_OF_HEAD)) < 0:
            if len(answer) > MOST_HEAD:
                raise ProtocolFault(f"the answer to a WebSocket handshake is longer than {MOST_HEAD} bytes")
            if not (data := await stream.receive_some(READ_SIZE)):
                raise ChannelLost(f"{who} closed the connection in the handshake")
            answer += data
        end += len(END_OF_HEAD)
        _judge(wire, answer[:end])
        socket = WebSocket(stream, answer[end:], who=who)
    except (trio.BrokenResourceError, trio.ClosedResourceError) as fault:
        raise ChannelLost(f"{who} closed the connection in the handshake") from fault
    finally:
        if socket is None:
            await trio.aclose_forcefully(stream)
    return socket


def _judge(wire: WSConnection, head: bytes) -> None:
    """Raise `ProtocolFault` unless this head agrees to what was asked for."""
    try:
        wire.receive_data(head)
        accepted = any(isinstance(event, AcceptConnection) for event in wire.events())
    except (RemoteProtocolError, UnicodeError) as fault:  # wsproto takes some fields for text, whatever they hold
        raise ProtocolFault(f"what answers is no WebSocket: {fault}") from fault
    if not accepted:
        raise Declined(head.partition(b"\r\n")[0].decode("latin-1"))


async def connect(port: int) -> WebSocket:
    """Open the WebSocket of the Lingma on the loopback `port`. The channel that is run on it closes it.

    Raises `ChannelLost` when nothing answers there, `ProtocolFault` where what answers is no WebSocket.
    """
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        return await shake_hands(stream, f"127.0.0.1:{port}")
    except (OSError, ChannelLost) as fault:
        raise ChannelLost(f"no WebSocket on 127.0.0.1:{port}: {fault}") from fault
