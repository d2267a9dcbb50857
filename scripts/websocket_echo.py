"""Both of our ends of a WebSocket as ends that say back what they are told, which is how Autobahn judges one.

Our ends hand on what messages carry as one stream of bytes, and send text alone. Where a message ends and of which kind
it is, an echo has to know, so wsproto listens in on what an end reads. All else is the end's own: what it reads and
refuses, how it answers pings and says goodbye.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Final

import trio
from wsproto.frame_protocol import FrameDecoder, Opcode, ParseFailed

from lingma_trio.agent.socket import ServerSocket
from lingma_trio.agent.socket import text_frame as text_frame_of_server
from lingma_trio.errors import ChannelLost, ProtocolFault
from lingma_trio.lingma.frame_stream import FrameStream
from lingma_trio.lingma.websocket import WebSocket, shake_hands
from lingma_trio.protocol.client_frames import KEY_SIZE, text_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

END_OF_HEAD: Final = b"\r\n\r\n"
BINARY: Final = b"\x82"
PATIENCE: Final = 5.0  # seconds for the other side's goodbye


class Ears:
    """Where each message ends in the bytes that messages carry, and whether it is a binary one."""

    def __init__(self, *, client: bool) -> None:
        self.ends: deque[tuple[int, bool]] = deque()
        self._decoder: FrameDecoder | None = FrameDecoder(client=client)
        self._carried = 0
        self._binary = False

    def hear(self, data: bytes) -> None:
        """Take what was read. After bytes that are no frame there is nothing more to be heard."""
        try:
            self._hear(data)
        except ParseFailed:
            self._decoder = None

    def _hear(self, data: bytes) -> None:
        if self._decoder is None:
            return
        self._decoder.receive_bytes(data)
        while frame := self._decoder.process_buffer():
            if frame.opcode.iscontrol():
                continue
            if frame.opcode is not Opcode.CONTINUATION:
                self._binary = frame.opcode is Opcode.BINARY
            self._carried += len(frame.payload)
            if frame.frame_finished and frame.message_finished:
                self.ends.append((self._carried, self._binary))


class Overheard(FrameStream):
    """The stream of an end that somebody listens in on."""

    def __init__(self, stream: trio.abc.Stream, ears: Ears) -> None:
        super().__init__(stream, "the judge left")
        self._ears = ears

    async def read(self) -> bytes:
        """As ever."""
        data = await super().read()
        self._ears.hear(data)
        return data


class ClientEnd(WebSocket):
    """What opened the connection."""

    def __init__(self, shaken: WebSocket) -> None:
        super().__init__(shaken._stream._stream, shaken._early, who="the judge")  # noqa: SLF001 - it becomes this one
        self.ears = Ears(client=True)
        self.ears.hear(self._early)
        self._stream = Overheard(self._stream._stream, self.ears)  # noqa: SLF001 - the same stream, listened in on

    async def echo(self, message: bytes, *, binary: bool) -> None:
        """Say a message back. Text goes out as all that is ours does, unless there is none, which nobody sends."""
        if message and not binary:
            await self.send(message)
            return
        await self.send()
        await self._stream.send(_marked(text_frame(message, os.urandom(KEY_SIZE)), binary=binary))


class ServerEnd(ServerSocket):
    """What was connected to."""

    def __init__(self, stream: trio.abc.Stream, head: bytes, early: bytes) -> None:
        super().__init__(stream, head, early)
        self.ears = Ears(client=False)
        self.ears.hear(early)
        self._stream = Overheard(stream, self.ears)

    async def echo(self, message: bytes, *, binary: bool) -> None:
        """As the client's."""
        if message and not binary:
            await self.send(message)
            return
        await self.send()
        await self._stream.send(_marked(text_frame_of_server(message), binary=binary))


def _marked(pieces: Iterator[bytes], *, binary: bool) -> Iterator[bytes]:
    first = next(pieces)
    yield BINARY + first[1:] if binary else first
    yield from pieces


async def call(port: int, target: str) -> bytes:
    """Open a connection to the judge for `target`, and return what it said there after all of it was said back."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    end = ClientEnd(await shake_hands(stream, f"127.0.0.1:{port}", target=target, who="the judge"))
    return await _say_back(end)


async def answer(stream: trio.SocketStream) -> None:
    """Be the server of one connection, to its end."""
    came = b""
    while END_OF_HEAD not in came:
        data = await stream.receive_some()
        if not data:
            return
        came += data
    head, _, early = came.partition(END_OF_HEAD)
    await _say_back(ServerEnd(stream, head + END_OF_HEAD, early))


async def _say_back(end: ClientEnd | ServerEnd) -> bytes:
    """Echo each message until the other side says goodbye, leaves, or breaks the protocol; returns what came."""
    came = bytearray()
    said = 0
    try:
        while True:
            await end.send()
            came += await end.receive()
            while end.ears.ends and end.ears.ends[0][0] <= len(came):
                until, binary = end.ears.ends.popleft()
                await end.echo(bytes(came[said:until]), binary=binary)
                said = until
    except (ChannelLost, ProtocolFault):
        return bytes(came)
    finally:
        with trio.move_on_after(PATIENCE):
            await end.aclose()
