"""The merger changes how many messages there are, and never what they say."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import Frame, FrameProtocol, Opcode

from lingma_trio.protocol.message_merger import PASSING_SIZE, MessageMerger

HANDSHAKE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

Piece = tuple[str, str]

texts = st.text(max_size=40) | st.integers(100, 140).map("x".__mul__) | st.integers(65_500, 65_600).map("y".__mul__)
pieces = st.lists(
    st.tuples(st.just("text"), texts)
    | st.tuples(st.just("binary"), texts)
    | st.tuples(st.just("fragments"), st.text(max_size=20))
    | st.tuples(st.just("ping"), st.just("")),
    max_size=12,
)


def write(sent: list[Piece]) -> bytes:
    """What a server that speaks the protocol itself would send."""
    server = FrameProtocol(client=False, extensions=[])
    out = b""
    for kind, text in sent:
        if kind == "text":
            out += server.send_data(text, fin=True)
        elif kind == "binary":
            out += server.send_data(text.encode(), fin=True)
        elif kind == "fragments":
            out += server.send_data(text, fin=False) + server.send_data(text, fin=True)
        else:
            out += server.ping(b"?")
    return out


def read(data: bytes) -> list[tuple[Opcode, bytes, bool]]:
    """What a client that speaks the protocol itself makes of it."""
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(data)
    return [(frame.opcode, payload_of(frame), frame.message_finished) for frame in client.received_frames()]


def payload_of(frame: Frame) -> bytes:
    payload = frame.payload
    assert not isinstance(payload, tuple), "no close frame is sent here"
    return payload.encode() if isinstance(payload, str) else bytes(payload)


def meaning(data: bytes) -> list[tuple[Opcode, bytes]]:
    """The payloads between two control frames, joined, since the framing inside them bears its own lengths."""
    joined = (
        (code, b"".join(frame[1] for frame in group)) for code, group in groupby(read(data), lambda frame: frame[0])
    )
    return [(code, payload) for code, payload in joined if payload or code is Opcode.PING]


def feed(data: bytes, size: int) -> bytes:
    merger = MessageMerger()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join([*map(merger.feed, chunks), merger.feed(b"")])


@given(pieces, st.sampled_from([1, 2, 3, 100, 65_536, 1 << 20]))
def test_any_chunking_keeps_the_meaning(sent: list[Piece], size: int) -> None:
    """What the library reads from the merged stream says what the server sent, however it was cut."""
    size = size if sum(len(text) for _, text in sent) < 5_000 else max(size, 1_000)
    merged = feed(HANDSHAKE + write(sent), size)
    assert merged.startswith(HANDSHAKE)
    assert meaning(merged[len(HANDSHAKE) :]) == meaning(write(sent))


def test_messages_that_arrive_together_leave_as_one() -> None:
    """A burst costs the library one message."""
    merged = feed(HANDSHAKE + write([("text", f"delta {number}") for number in range(300)]), 1 << 20)
    frames = read(merged[len(HANDSHAKE) :])
    assert frames == [(Opcode.TEXT, b"".join(b"delta %d" % number for number in range(300)), True)]


def test_a_control_frame_keeps_its_place() -> None:
    """A ping between two messages is neither moved nor swallowed."""
    merged = feed(HANDSHAKE + write([("text", "a"), ("ping", ""), ("text", "b")]), 1 << 20)
    assert [frame[0] for frame in read(merged[len(HANDSHAKE) :])] == [Opcode.TEXT, Opcode.PING, Opcode.TEXT]


@pytest.mark.parametrize("size", [1_000, 65_536])
def test_a_large_message_is_passed_on_as_it_comes(size: int) -> None:
    """What is larger than PASSING_SIZE is not collected first, and what follows it is merged again."""
    large = write([("text", "z" * (PASSING_SIZE + 1))])
    merger = MessageMerger()
    merger.feed(HANDSHAKE)
    assert merger.feed(large[:size]) == large[:size]
    assert merger.feed(large[size:] + write([("text", "a"), ("text", "b")])) == large[size:] + write([("text", "ab")])


def test_an_incomplete_message_is_held_until_the_end_of_the_stream() -> None:
    """Half a message is handed on only when there will be no other half."""
    merger = MessageMerger()
    merger.feed(HANDSHAKE)
    half = write([("text", "never complete")])[:7]
    assert merger.feed(half) == b""
    assert merger.feed(b"") == half


@given(st.binary(max_size=300))
def test_junk_never_raises(junk: bytes) -> None:
    """What is no frame at all is the library's to refuse."""
    merger = MessageMerger()
    merger.feed(HANDSHAKE + junk)
    merger.feed(b"")
