"""What a WebSocket server sends, held against wsproto alone: the same bytes of messages, ping and goodbye, or a fault.

An input is the frames, from its second byte on; the first says how they are cut.
"""

from __future__ import annotations

from dataclasses import dataclass

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from fuzz.target import Target
from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.server_frames import ServerFrames

VERDICTS = (1002, 1007)
"""Codes by which wsproto says that the other side broke the protocol; in a goodbye of the peer's they look the same."""


@dataclass
class Reading:
    """What came of some bytes."""

    carried: bytes = b""
    ping: bytes | None = None
    code: int | None = None
    refused: bool = False


def as_we_read(data: bytes, step: int) -> Reading:
    """By our own reader, in pieces of so many bytes."""
    frames, reading = ServerFrames(), Reading()
    try:
        for at in range(0, len(data), step):
            reading.carried += frames.feed(data[at : at + step])
    except ProtocolFault:
        reading.refused = True
    reading.ping = frames.ping
    if frames.goodbye is not None:
        reading.code = int.from_bytes(frames.goodbye[:2]) if len(frames.goodbye) > 1 else 1005
    return reading


def as_wsproto_reads(data: bytes) -> Reading:
    """By wsproto, which looks at UTF-8 and at codes as well."""
    connection, reading = Connection(ConnectionType.CLIENT), Reading()
    try:
        connection.receive_data(data)
        for event in connection.events():
            match event:
                case TextMessage():
                    reading.carried += event.data.encode()
                case BytesMessage():
                    reading.carried += bytes(event.data)
                case Ping():
                    reading.ping = bytes(event.payload)
                case CloseConnection():
                    reading.code = event.code
                    reading.refused |= event.code in VERDICTS
                    break
                case Pong():
                    pass
    except (RemoteProtocolError, LocalProtocolError, UnicodeDecodeError):
        reading.refused = True
    return reading


def check(data: bytes) -> None:
    """Hold our reader against the other, and against itself with the bytes cut."""
    cut, stream = 1 + int.from_bytes(data[:1]) % 64, data[1:]
    ours = as_we_read(stream, max(1, len(stream)))
    pieces = as_we_read(stream, cut)
    if not ours.refused:
        assert pieces == ours
    else:
        assert pieces.refused
    theirs = as_wsproto_reads(stream)
    if ours.refused or theirs.refused:
        return
    # It hands on a frame's beginning before it has seen that the rest is text, and we do that too.
    assert ours.carried.startswith(theirs.carried) or theirs.carried.startswith(ours.carried)
    assert (ours.ping, ours.code) == (theirs.ping, theirs.code)


TARGET = Target("server_frames", check, size=2048, calls=1500, calls_per_byte=80)
