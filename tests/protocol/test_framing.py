"""Framing: any chunking gives the same bodies, and whatever is no frame is a fault that stays."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.framing import MAX_BODY, MAX_HEADER, Framer, frame

GOLDEN = b'Content-Length: 40\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"ping"}'
GOLDEN_BODY = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def feed_in_chunks(framer: Framer, data: bytes, cuts: list[int]) -> list[bytes]:
    """Feed `data` cut at the given places, which may lie outside it or repeat."""
    bodies = []
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        bodies += framer.feed(data[start:end])
    return bodies


def test_the_golden_frame_is_written_byte_for_byte() -> None:
    """A frame is the header, a blank line and the body, as the wire has it."""
    assert frame(GOLDEN_BODY) == GOLDEN


def test_the_golden_frame_is_read() -> None:
    """One frame in one piece gives its body."""
    assert Framer().feed(GOLDEN) == [GOLDEN_BODY]


def test_lengths_count_bytes() -> None:
    """Text outside ASCII is measured encoded."""
    body = "你好".encode()
    assert frame(body) == b"Content-Length: 6\r\n\r\n\xe4\xbd\xa0\xe5\xa5\xbd"
    assert Framer().feed(frame(body) + frame(b"next")) == [body, b"next"]


@pytest.mark.parametrize(
    "header",
    [
        b"content-length: 2\r\n\r\n",
        b"CONTENT-LENGTH:2\r\n\r\n",
        b"Content-Length:   2  \r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length: 2\r\nX-Anything: Content-Length\r\n\r\n",
        b"Content-Length: 0002\r\n\r\n",
    ],
)
def test_headers_are_read_in_every_tolerated_form(header: bytes) -> None:
    """Case, blanks round the value and unknown headers do not matter."""
    assert Framer().feed(header + b"{}" + GOLDEN) == [b"{}", GOLDEN_BODY]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"jsonrpc":"2.0"}', "without a Content-Length"),
        (b"[", "without a Content-Length"),
        (b"\r\n\r\n", "without a Content-Length"),
        (b"Content-Type: x\r\n\r\n", "without a Content-Length"),
        (b"Content-Length\r\n\r\n", "without a colon"),
        (b"Content-Length: 2\r\nnonsense\r\n\r\n{}", "without a colon"),
        (b"Content-Length: two\r\n\r\n{}", "no number"),
        (b"Content-Length: -2\r\n\r\n{}", "no number"),
        (b"Content-Length: +2\r\n\r\n{}", "no number"),
        (b"Content-Length: 2_0\r\n\r\n{}", "no number"),
        (b"Content-Length: \xd9\xa2\r\n\r\n{}", "no number"),
        (b"Content-Length:\r\n\r\n{}", "no number"),
        (b"Content-Length: 2\r\ncontent-length: 2\r\n\r\n{}", "two lengths"),
        (b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1), "a body longer"),
        (b"Content-Length: " + b"9" * 4000 + b"\r\n\r\n", "a body longer"),
        (b"X: " + b"x" * MAX_HEADER, "a header longer"),
        (GOLDEN + b"{}", "without a Content-Length"),
    ],
)
def test_what_is_no_frame_is_a_fault(data: bytes, words: str) -> None:
    """A malformed or oversized header is refused with a reason, in one piece as well as byte by byte."""
    with pytest.raises(ProtocolFault, match=words):
        Framer().feed(data)
    with pytest.raises(ProtocolFault, match=words):
        feed_in_chunks(Framer(), data, list(range(len(data))))


def test_the_longest_header_is_read_and_one_byte_more_is_not() -> None:
    """The header's limit counts its blank line."""
    padding = MAX_HEADER - len(b"X: \r\nContent-Length: 2\r\n\r\n")
    longest = b"X: " + b"x" * padding + b"\r\nContent-Length: 2\r\n\r\n{}"
    assert Framer().feed(longest) == [b"{}"]
    with pytest.raises(ProtocolFault, match="a header longer"):
        Framer().feed(b"X" + longest)


def test_a_header_is_given_up_at_the_limit() -> None:
    """No byte more is waited for than a header may have."""
    framer = Framer()
    assert framer.feed(b"X" * (MAX_HEADER - 1)) == []
    with pytest.raises(ProtocolFault, match="a header longer"):
        framer.feed(b"X")


def test_a_frame_within_a_body_is_part_of_the_body() -> None:
    """What looks like a whole frame is none while another is incomplete."""
    framer = Framer()
    assert framer.feed(b"Content-Length: %d\r\n\r\n" % len(GOLDEN)) == []
    assert framer.feed(GOLDEN) == [GOLDEN]


def test_a_body_at_the_limit_is_read() -> None:
    """The body's limit is inclusive."""
    body = bytes(MAX_BODY)
    assert Framer().feed(frame(body)) == [body]


def test_a_body_over_the_limit_is_refused_even_if_it_is_all_there() -> None:
    """The short way for whole frames keeps the limit."""
    with pytest.raises(ProtocolFault, match="a body longer"):
        Framer().feed(frame(bytes(MAX_BODY + 1)))


def test_after_a_fault_every_feed_and_the_close_raise_it_again() -> None:
    """A fault is not forgotten when good frames follow."""
    framer = Framer()
    with pytest.raises(ProtocolFault, match="no number"):
        framer.feed(b"Content-Length: x\r\n\r\n")
    with pytest.raises(ProtocolFault, match="no number"):
        framer.feed(GOLDEN)
    with pytest.raises(ProtocolFault, match="no number"):
        framer.close()


@pytest.mark.parametrize("seen", range(1, len(GOLDEN)))
def test_an_end_in_the_middle_of_a_frame_is_a_fault(seen: int) -> None:
    """A stream may end only between frames."""
    framer = Framer()
    assert framer.feed(GOLDEN[:seen]) == []
    with pytest.raises(ProtocolFault, match="middle of a frame"):
        framer.close()


def test_an_end_between_frames_is_clean() -> None:
    """Closing is silent before the first frame and after a whole one."""
    Framer().close()
    framer = Framer()
    framer.feed(GOLDEN)
    framer.close()


@given(bodies=st.lists(st.binary(max_size=80), max_size=6), cuts=st.lists(st.integers(0, 600), max_size=12))
def test_any_chunking_gives_the_same_bodies(bodies: list[bytes], cuts: list[int]) -> None:
    """Bodies come out whole and in order, wherever the stream is cut."""
    framer = Framer()
    assert feed_in_chunks(framer, b"".join(map(frame, bodies)), cuts) == bodies
    framer.close()


@given(
    data=st.binary(max_size=200)
    | st.lists(
        st.sampled_from(
            [b"Content-Length: ", b"content-type:", b"3", b"99999999", b"\r\n", b"\r\n\r\n", b"{}", b"abc", b"\x00"]
        )
    ).map(b"".join),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
def test_garbage_raises_nothing_but_a_protocol_fault(data: bytes, cuts: list[int]) -> None:
    """No input gets another exception out of the framer, and the verdict does not hang on the chunking."""

    def verdict(cuts: list[int]) -> list[bytes] | str:
        try:
            return feed_in_chunks(Framer(), data, cuts)
        except ProtocolFault as fault:
            return str(fault)

    assert verdict(cuts) == verdict([])


def test_a_body_at_the_limit_is_read_wherever_its_header_ends() -> None:
    """A frame that comes in pieces may be as long as one that is there at once."""
    framer = Framer()
    assert framer.feed(b"Content-Length: %d\r\n" % MAX_BODY) == []
    assert framer.feed(b"\r\n") == []
    body = bytes(MAX_BODY)
    assert framer.feed(body) == [body]
