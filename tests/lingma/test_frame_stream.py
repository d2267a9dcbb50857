"""The stream below a WebSocket: whole frames out, whatever comes in, and a socket's own speed."""

from __future__ import annotations

import socket

import pytest
import trio
from trio.testing import memory_stream_pair

from lingma_trio.errors import ChannelLost
from lingma_trio.lingma.frame_stream import FrameStream

GONE = "the other side is gone"
LARGE = b"x" * (1 << 22)
"""Bytes that no socket takes at once."""


def sockets() -> tuple[FrameStream, trio.SocketStream]:
    """A stream on a socket, and the other end."""
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(each)) for each in socket.socketpair())
    return FrameStream(ours, GONE), theirs


async def test_rest_of_an_offer_goes_before_the_next_frame() -> None:
    """What the kernel does not take is kept, in order, and sent by whoever sends."""
    stream, other = sockets()
    assert stream.offer([LARGE])
    assert 0 < len(stream.rest) < len(LARGE)
    read = bytearray()

    async def send() -> None:
        await stream.send_rest()
        await stream.send([b"en", b"d"])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while not read.endswith(b"end"):
            read += await other.receive_some()
    assert read == LARGE + b"end"
    await stream.aclose()
    await other.aclose()


async def test_nothing_is_offered_where_there_is_no_socket() -> None:
    """A stream that has to wait takes nothing without waiting, and neither does one that is closed."""
    ours, _ = memory_stream_pair()
    assert not FrameStream(ours, GONE).offer([b"frame"])
    stream, other = sockets()
    await stream.aclose()
    assert not stream.offer([b"frame"])
    await other.aclose()


async def test_frame_that_is_cut_off_leaves_nothing_to_say() -> None:
    """Whoever is cancelled in the middle of one has left the other side with half of it."""
    stream, other = sockets()
    with trio.move_on_after(0.01):
        await stream.send([LARGE])
    assert stream.mute
    assert not stream.offer([b"another"])
    await stream.aclose()
    await other.aclose()


@pytest.mark.parametrize("kind", ["socket", "memory"])
async def test_end_is_told(kind: str) -> None:
    """By name, to who reads and to who writes; until then each look that brings something counts."""
    other: trio.abc.Stream
    if kind == "socket":
        stream, other = sockets()
    else:
        ours, other = memory_stream_pair()
        stream = FrameStream(ours, GONE)
    await other.send_all(b"a")
    assert (await stream.read(), stream.reads) == (b"a", 1)
    await other.aclose()
    with pytest.raises(ChannelLost, match=GONE):
        await stream.read()
    assert stream.mute
    assert stream.reads == 1
    with pytest.raises(ChannelLost, match=GONE):
        await stream.send([LARGE])
    await stream.aclose()


async def test_frame_reaches_the_other_side_whole_where_there_is_no_socket() -> None:
    """Piece by piece, and nothing else before it."""
    ours, theirs = memory_stream_pair()
    stream = FrameStream(ours, GONE)
    await stream.send_rest()
    await stream.send([b"he", b"llo"])
    await stream.aclose()
    assert bytes([byte async for chunk in theirs for byte in chunk]) == b"hello"


@pytest.mark.parametrize("kind", ["socket", "memory"])
async def test_closed_stream_is_told_as_lost(kind: str) -> None:
    """Whoever reads on is not left with an error of the stream's own."""
    if kind == "socket":
        stream, other = sockets()
        await other.aclose()
    else:
        ours, _ = memory_stream_pair()
        stream = FrameStream(ours, GONE)
    await stream.aclose()
    with pytest.raises(ChannelLost, match=GONE):
        await stream.read()
    assert stream.mute
