"""What a client reads of a server's frames, held against a library that speaks the protocol itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.server_frames import ServerFrames

Piece = tuple[str, str]
Read = tuple[bytes, list[bytes], bool]

texts = st.text(max_size=40) | st.integers(100, 140).map("x".__mul__) | st.integers(65_500, 65_600).map("y".__mul__)
pieces = st.lists(
    st.tuples(st.sampled_from(["text", "binary", "fragments", "ping inside", "pong"]), texts)
    | st.tuples(st.just("ping"), st.text(max_size=30)),
    max_size=12,
)
frames = st.tuples(
    st.sampled_from([0x00, 0x01, 0x02, 0x08, 0x09, 0x80, 0x81, 0x81, 0x82, 0x83, 0x89, 0x8A, 0x8B, 0xC1, 0x91]),
    st.sampled_from(["short", "two", "eight", "masked"]),
    st.integers(0, 130),
)
CUTS = [1, 2, 3, 100, 65_536, 1 << 20]


def write(sent: list[Piece]) -> bytes:
    """What a server that speaks the protocol itself would send."""
    server = FrameProtocol(client=False, extensions=[])
    out = b""
    for kind, text in sent:
        if kind == "text":
            out += server.send_data(text, fin=True)
        elif kind == "binary":
            out += server.send_data(text.encode(), fin=True)
        elif kind == "ping":
            out += server.ping(text.encode()[:125])
        elif kind == "pong":
            out += server.pong(b"unasked")
        else:
            between = server.ping(b"!") if kind == "ping inside" else b""
            out += server.send_data(text, fin=False) + between + server.send_data(text, fin=True)
    return out


def write_frame(frame: tuple[int, str, int]) -> bytes:
    """A frame that a server may send, or may not."""
    first, form, length = frame
    payload = b"x" * length
    if form == "two":
        return bytes((first, 126)) + length.to_bytes(2, "big") + payload
    if form == "eight":
        return bytes((first, 127)) + length.to_bytes(8, "big") + payload
    if form == "masked":
        return bytes((first, 0x80 | min(length, 125))) + b"mask" + payload
    return bytes((first, min(length, 125))) + payload[:125]


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def read(data: bytes, size: int) -> Read:
    """What is carried, what pings say, and whether it was the end, by a client's reader that is fed in such pieces."""
    reader = ServerFrames()
    carried = b""
    pings: list[bytes] = []
    try:
        for chunk in chunks(data, size):
            carried += reader.feed(chunk)
            if reader.ping is not None:
                pings.append(reader.ping)
                reader.ping = None
    except ProtocolFault:
        return carried, pings, True
    return carried, pings, reader.goodbye is not None


def read_by_library(data: bytes) -> Read:
    """The same by a library's."""
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(data)
    carried = b""
    pings: list[bytes] = []
    try:
        for frame in client.received_frames():
            if frame.opcode is Opcode.CLOSE:
                return carried, pings, True
            if frame.opcode is Opcode.PING:
                pings.append(bytes(frame.payload))  # type: ignore[arg-type] # as it says for pings
            elif frame.opcode is not Opcode.PONG:
                assert not isinstance(frame.payload, tuple)
                carried += frame.payload.encode() if isinstance(frame.payload, str) else frame.payload
    except ParseFailed:
        return carried, pings, True
    return carried, pings, False


@given(pieces, st.sampled_from(CUTS))
def test_any_cut_carries_what_was_sent(sent: list[Piece], size: int) -> None:
    """Text, binary and fragments are one stream of bytes, however cut, and control frames are no part of it."""
    data = write(sent)
    size = size if len(data) < 5_000 else max(size, 1_000)
    carried, pings, over = read(data, size)
    expected, asked, _ = read_by_library(data)
    assert (carried, over) == (expected, False)
    assert pings[-1:] == asked[-1:]  # of several that came together the last is answered for all


@given(st.lists(frames, max_size=6), st.sampled_from([1, 3, 1 << 20]))
def test_what_a_server_may_not_send_is_refused_as_a_library_refuses_it(
    sent: list[tuple[int, str, int]], size: int
) -> None:
    """Whatever the frames, they end the connection where a library would end it, and carry what it reads until then."""
    data = b"".join(map(write_frame, sent))
    carried, _, over = read(data, 1)
    expected, _, ended = read_by_library(data)
    assert over == ended
    assert carried[: len(expected)] == expected
    assert read(data, size)[2] == over


@given(st.binary(max_size=300), st.sampled_from([1, 7, 300]))
def test_junk_raises_nothing_but_a_protocol_fault(junk: bytes, size: int) -> None:
    """Bytes that are no frames are a fault, and stay one."""
    reader = ServerFrames()
    try:
        for chunk in chunks(junk, size):
            reader.feed(chunk)
    except ProtocolFault as fault:
        with pytest.raises(ProtocolFault, match=str(fault)[:20]):
            reader.feed(b"\x81\x00")


def test_messages_that_arrive_together_leave_together() -> None:
    """A burst costs one piece of bytes."""
    data = write([("text", f"delta {number}") for number in range(300)])
    assert ServerFrames().feed(data) == b"".join(b"delta %d" % number for number in range(300))


def test_a_large_message_leaves_as_it_comes() -> None:
    """Nothing is collected of a message that is longer than what was read: the reader behind bounds what it keeps."""
    data = write([("text", "z" * 1_000_000)])
    reader = ServerFrames()
    assert [len(reader.feed(chunk)) for chunk in chunks(data, 400_000)] == [399_990, 400_000, 200_010]
    assert reader.feed(write([("text", "next")])) == b"next"


@pytest.mark.parametrize(
    ("said", "farewell"),
    [
        (b"", "without a code"),
        (b"\x03\xe9", "1001"),
        (b"\x03\xe8see you", "1000 see you"),
        (b"\x03\xf3\xff", "1011 \ufffd"),
    ],
    ids=["nothing", "code", "reason", "no text"],
)
def test_goodbye_ends_what_is_read(said: bytes, farewell: str) -> None:
    """A close frame is told in words, and what comes behind it is nothing."""
    reader = ServerFrames()
    goodbye = bytes((0x88, len(said))) + said
    assert reader.feed(write([("text", "last")]) + goodbye + write([("text", "more")])) == b"last"
    assert reader.goodbye == said
    assert reader.farewell == farewell
    assert reader.feed(write([("text", "still more")])) == b""
