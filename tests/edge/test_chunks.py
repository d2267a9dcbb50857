"""Bodies in chunks: what h11 takes for one and more is not taken here, and what is taken is the same to h11."""

from __future__ import annotations

import pytest

from lingma_trio.edge.chunks import CHUNK_SIZE, FREE_CHUNKS, MOST_LINE, MOST_TRAILERS, Chunks
from lingma_trio.edge.head import Unacceptable

SIZES = [1, 2, 3, 7, 1000]
BEHIND = b"GET / HTTP/1.1\r\n"


def body_of(data: bytes, size: int) -> tuple[bytes, Chunks]:
    """What `data` holds, fed in pieces of `size`; the last piece has all that is behind the body's end."""
    chunks, body = Chunks(), b""
    for start in range(0, len(data), size):
        for piece in chunks.feed(data[start : start + size]):
            body += piece
    return body, chunks


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "data",
    [
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"3;x=y\r\nabc\r\n02 \t\r\nde\r\n0;z\r\n\r\n",
        b"5\r\nabcde\r\n0\r\nx-sum: 1\r\nx-end:\r\n\r\n",
        b"000000000000005\r\nabcde\r\n000\r\nt: " + b"u" * 2000 + b"\r\n\r\n",
    ],
    ids=["plain", "extensions", "trailers", "a trailer longer than any head"],
)
def test_body_is_read_however_it_is_cut(data: bytes, size: int) -> None:
    """With extensions and trailers, which are passed over."""
    body, chunks = body_of(data, size)
    assert (body, chunks.complete, chunks.rest) == (b"abcde", True, b"")


def test_what_is_behind_the_end_is_kept() -> None:
    """It is the next request's."""
    body, chunks = body_of(b"1\r\nx\r\n0\r\n\r\n" + BEHIND, 1000)
    assert (body, chunks.rest) == (b"x", BEHIND)


def test_piece_is_not_copied() -> None:
    """Bytes that are all of the body's are handed on as they came."""
    chunks = Chunks()
    assert list(chunks.feed(b"5\r\n")) == []
    data = b"hello"
    (piece,) = chunks.feed(data)
    assert piece is data


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1_0\r\n",
        b"11111111111111111\r\n",
        b"1 ;a=b\r\n",
        b"1\n",
        b"1\r\r\n",
        b"1;\rx\r\n",
        b"1;\0\r\n",
        b"1;" + b"x" * MOST_LINE,
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n",
        b"3\r\nabc0\r\n\r\n",
        b"0\r\n\n",
        b"0\r\nt: u\n\n",
        b"0\r\nt: u\r\n\n",
        b"0\r\nt: u\r\n folded\r\n\r\n",
        b"0\r\nt: a\rb\r\n\r\n",
        b"0\r\nt : u\r\n\r\n",
        b"0\r\nGET / HTTP/1.1\r\n\r\n",
        b"0\r\ncontent-length: 5\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\nauthorization: Bearer a\r\n\r\n",
    ],
)
def test_framing_that_is_none_is_refused(data: bytes, size: int) -> None:
    """Line ends that are none, sizes that some readers know, and trailers that would change the request."""
    with pytest.raises(Unacceptable) as refusal:
        body_of(data, size)
    assert refusal.value.status == 400
    assert refusal.value.sentence.endswith(".")


def test_trailers_have_a_bound() -> None:
    """All of them together."""
    line = b"t: " + b"u" * 995 + b"\r\n"
    with pytest.raises(Unacceptable) as refusal:
        body_of(b"0\r\n" + line * (MOST_TRAILERS // len(line) + 1), 1000)
    assert refusal.value.status == 431


def test_chunks_that_are_too_small_are_refused() -> None:
    """Each costs what a kilobyte does; large ones may be as many as they like."""
    with pytest.raises(Unacceptable, match="too small"):
        body_of(b"1\r\nx\r\n" * (FREE_CHUNKS + 10), 1000)
    large = b"%x\r\n%b\r\n" % (CHUNK_SIZE, b"x" * CHUNK_SIZE)
    assert len(body_of(large * (2 * FREE_CHUNKS), 1000)[0]) == 2 * FREE_CHUNKS * CHUNK_SIZE


def test_small_pieces_of_the_network_are_no_small_chunks() -> None:
    """How a body is cut on its way says nothing of its sender."""
    size = 2 * FREE_CHUNKS
    body, chunks = body_of(b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size), 1)
    assert (len(body), chunks.complete) == (size, True)
