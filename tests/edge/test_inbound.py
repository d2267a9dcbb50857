"""What a client sends, however it is cut: heads and bodies come out the same."""

from __future__ import annotations

import pytest

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.head import Unacceptable
from lingma_trio.edge.inbound import Inbound

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


def body_of(inbound: Inbound) -> bytes:
    came = b""
    while piece := inbound.take():
        came += piece
    return came


def requests_in(data: bytes, size: int) -> list[tuple[str, bytes]]:
    """Methods and bodies of what is in `data`, fed in pieces of `size`."""
    inbound, found = Inbound(Bounds()), list[tuple[str, bytes]]()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    method = ""
    for piece in pieces:
        inbound.feed(piece)
        while True:
            if not method:
                head = inbound.next_head()
                if head is None:
                    break
                method = head.method
            if not inbound.complete:
                break
            found.append((method, body_of(inbound)))
            method = ""
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_requests_are_the_same_however_they_are_cut(size: int) -> None:
    """With empty lines between them, and with bodies of both kinds."""
    chunks = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: 1\r\n\r\n"
    data = GET + b"\r\n\r\n" + POST + b"hello" + CHUNKED + chunks + GET
    assert requests_in(data, size) == [("GET", b""), ("POST", b"hello"), ("POST", b"abcde"), ("GET", b"")]


def test_body_of_known_length_is_not_copied() -> None:
    """A piece that is all of the body's is handed on as the very bytes that came."""
    inbound = Inbound(Bounds())
    inbound.feed(POST)
    assert inbound.next_head() is not None
    piece = b"hello"
    inbound.feed(piece)
    assert inbound.take() is piece
    assert inbound.complete


def test_what_comes_behind_a_request_is_kept() -> None:
    """And counted, since nobody reads it before the request is answered."""
    inbound = Inbound(Bounds())
    inbound.feed(POST + b"hel")
    inbound.next_head()
    assert (inbound.waiting, inbound.ahead, inbound.complete) == (3, 0, False)
    inbound.feed(b"lo" + GET)
    assert (inbound.waiting, inbound.ahead, inbound.complete) == (5, len(GET), True)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 1000, 431),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 1000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\nhost: a\n\n", 400),
        (b"\x16\x03\x01", 400),
        (b"\0\0\0", 400),
        (b" GET / HTTP/1.1\r\n", 400),
    ],
)
def test_head_that_will_be_none_is_refused_at_once(data: bytes, status: int) -> None:
    """Nobody waits for the end of what would be refused."""
    inbound = Inbound(Bounds(head_size=500))
    inbound.feed(data)
    with pytest.raises(Unacceptable) as refusal:
        inbound.next_head()
    assert refusal.value.status == status


def test_line_end_that_is_cut_is_whole() -> None:
    """A piece may end between CR and LF."""
    inbound = Inbound(Bounds())
    for byte in GET:
        assert inbound.next_head() is None
        inbound.feed(bytes([byte]))
    assert inbound.next_head() is not None


@pytest.mark.parametrize("behind", [b"", GET], ids=["alone", "with a second one"])
def test_framing_that_is_none_is_refused(behind: bytes) -> None:
    """Wherever the body has come to."""
    inbound = Inbound(Bounds())
    inbound.feed(CHUNKED)
    inbound.next_head()
    with pytest.raises(Unacceptable):
        inbound.feed(b"3\r\nabcd\r\n0\r\n\r\n" + behind)
