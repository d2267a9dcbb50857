"""What is sent is what a server's library reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode

from lingma_trio.protocol.client_frames import KEY_SIZE, PIECE, answer_to, close_frame, pong_frame, text_frame
from tests.hostile.steps import processor_time

KEY = b"\x00\x80\xff\x01"


def read(data: bytes) -> str:
    """What a server makes of it."""
    server = FrameProtocol(client=False, extensions=[])
    server.receive_bytes(data)
    frames = list(server.received_frames())
    assert {frame.opcode for frame in frames} == {Opcode.TEXT}
    assert frames[-1].message_finished
    return "".join(str(frame.payload) for frame in frames)


@given(st.text(), st.binary(min_size=KEY_SIZE, max_size=KEY_SIZE))
def test_text_is_read_as_it_was(text: str, key: bytes) -> None:
    """Any text under any key arrives."""
    assert read(b"".join(text_frame(text.encode(), key))) == text


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5])
def test_every_form_of_the_length(size: int) -> None:
    """A length is told in one byte, in two or in eight, and pieces are cut where the key begins anew."""
    text = "".join(chr(33 + at % 90) for at in range(size))
    pieces = list(text_frame(text.encode(), KEY))
    assert read(b"".join(pieces)) == text
    assert len(pieces) == max(1, -(-size // PIECE))


@given(st.binary(max_size=125), st.binary(min_size=KEY_SIZE, max_size=KEY_SIZE))
def test_pong_says_what_the_ping_said(said: bytes, key: bytes) -> None:
    """A server reads its own words."""
    server = FrameProtocol(client=False, extensions=[])
    server.receive_bytes(pong_frame(said, key))
    assert [(frame.opcode, frame.payload) for frame in server.received_frames()] == [(Opcode.PONG, said)]


@pytest.mark.parametrize("said", [b"", b"\x03\xe8", b"\x03\xe9going away"])
def test_goodbye_says_code_and_reason(said: bytes) -> None:
    """A server reads what it is told as a client's last words."""
    server = FrameProtocol(client=False, extensions=[])
    server.receive_bytes(close_frame(said, KEY))
    (frame,) = server.received_frames()
    assert frame.opcode is Opcode.CLOSE
    assert frame.payload == ((int.from_bytes(said[:2], "big") or 1005), said[2:].decode())


@pytest.mark.parametrize(
    "said",
    [b"", b"\x03\xe8", b"\x03\xebwhy", b"\x03\xef", b"\x03\xf6", b"\x0b\xb8", b"\x13\x87" + b"x" * 123],
    ids=["nothing", "1000", "1003", "1007", "1014", "3000", "4999"],
)
def test_goodbye_is_said_back(said: bytes) -> None:
    """The other side's code, and its reason, are the answer to it."""
    assert answer_to(said) == said


@pytest.mark.parametrize(
    "said",
    [b"\x03", b"\x03\xe8\xce\xba\xff", *(code.to_bytes(2, "big") for code in (0, 999, 1004, 1006, 1015, 2999, 5000))],
    ids=["half a code", "no text", "0", "999", "1004", "1006", "1015", "2999", "5000"],
)
def test_what_no_goodbye_may_say_is_not_said_back(said: bytes) -> None:
    """Nobody is told a code that must not be on the wire, nor a reason that is no text (RFC 6455, 7.4 and 8.1)."""
    assert answer_to(said) == (1002).to_bytes(2, "big")


def test_no_piece_takes_long() -> None:
    """A frame of many megabytes is made in steps of a millisecond, in memory for one piece."""
    longest = 0.0
    frame = text_frame(b"x" * 8_000_000, KEY)
    while True:
        with processor_time() as spent:
            piece = next(frame, None)
        if piece is None:
            break
        assert len(piece) <= PIECE + 14
        longest = max(longest, spent.seconds)
    assert longest < 0.02
