"""Responses as bytes, which h11 reads as what they are."""

from __future__ import annotations

import h11
import pytest

from lingma_trio.edge.head import Head, read_head
from lingma_trio.edge.outbound import Outbound, whole

DATE = b"Sun, 29 Nov 2026 12:00:00 GMT"


def request(method: bytes = b"GET", version: bytes = b"1.1", *lines: bytes) -> Head:
    return read_head(b"\r\n".join([b"%b / HTTP/%b" % (method, version), b"host: a", *lines, b"", b""]), most_fields=9)


def read(data: bytes, method: str = "GET", *, closed: bool = False) -> tuple[h11.Response, bytes, bool]:
    """The response, its body, and whether that came to its end."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if closed:
        client.receive_data(b"")
    response, body = client.next_event(), b""
    assert isinstance(response, h11.Response)
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    return response, body, isinstance(event, h11.EndOfMessage)


def test_length_that_is_told_frames_the_body() -> None:
    """Head and first piece leave together."""
    outbound = Outbound(request())
    outbound.start(200, [(b"content-length", b"5"), (b"x", b"y")], DATE)
    first = outbound.body(b"he", more=True)
    response, body, ended = read(first + outbound.body(b"llo", more=False))
    assert (response.status_code, body, ended) == (200, b"hello", True)
    assert (b"x", b"y") in list(response.headers)
    assert (b"date", DATE) in list(response.headers)
    assert (outbound.complete, outbound.keeps) == (True, True)


def test_response_is_whole_with_its_last_byte() -> None:
    """A client that has all bytes of a told length has the response, whether its end was given or not."""
    outbound = Outbound(request())
    outbound.start(200, [(b"content-length", b"2")], DATE)
    outbound.body(b"o", more=True)
    assert (outbound.whole, outbound.complete) == (False, False)
    outbound.body(b"k", more=True)
    assert (outbound.whole, outbound.complete) == (True, False)


def test_body_of_unknown_length_goes_in_chunks() -> None:
    """An empty piece ends nothing; a body that is not ended is visibly cut off."""
    outbound = Outbound(request())
    outbound.start(200, [], DATE)
    said = outbound.body(b"he", more=True) + outbound.body(b"", more=True) + outbound.body(b"llo", more=True)
    assert read(said)[1:] == (b"hello", False)
    assert read(said + outbound.body(b"", more=False))[1:] == (b"hello", True)


def test_old_clients_read_to_the_end_of_the_connection() -> None:
    """HTTP/1.0 knows no chunks."""
    outbound = Outbound(request(version=b"1.0"))
    outbound.start(200, [], DATE)
    response, body, _ = read(outbound.body(b"hello", more=False), closed=True)
    assert (body, outbound.keeps) == (b"hello", False)
    assert (b"connection", b"close") in list(response.headers)


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_responses_without_a_body_have_none(method: bytes, status: int) -> None:
    """Whatever the app gives; the length of what a GET would get may be told."""
    outbound = Outbound(request(method))
    outbound.start(status, [(b"content-length", b"5")] if method == b"HEAD" else [], DATE)
    response, body, ended = read(outbound.body(b"hello", more=False), method.decode())
    assert (response.status_code, body, ended) == (status, b"", True)


def test_app_may_end_the_connection() -> None:
    """By the field that says so."""
    outbound = Outbound(request())
    outbound.start(200, [(b"Connection", b"close"), (b"content-length", b"0")], DATE)
    outbound.body(b"", more=False)
    assert not outbound.keeps


def test_end_of_the_connection_is_not_taken_back() -> None:
    """By a further field that says something else."""
    outbound = Outbound(request())
    outbound.start(200, [(b"connection", b"close"), (b"connection", b"x"), (b"content-length", b"0")], DATE)
    assert not outbound.keeps


@pytest.mark.parametrize("lengths", [[b"5", b"5"], [b"5", b"6"], [b"+5"], [b" 5"], [b"1_0"], [b""], [b"1" * 19]])
def test_length_that_clients_would_refuse_is_a_fault(lengths: list[bytes]) -> None:
    """One, in digits."""
    with pytest.raises(ValueError, match="one length"):
        Outbound(request()).start(200, [(b"content-length", length) for length in lengths], DATE)


@pytest.mark.parametrize(
    "field", [(b"x", b"a\r\nset-cookie: b"), (b"x\n", b"a"), (b"x", b"a\r"), (b"x", b"a\0"), (b"x", b"\x0b")]
)
def test_line_ends_in_fields_are_faults(field: tuple[bytes, bytes]) -> None:
    """No app says more than it means to."""
    with pytest.raises(ValueError, match="line's end"):
        Outbound(request()).start(200, [field], DATE)


@pytest.mark.parametrize(("first", "last"), [(b"", b"abc"), (b"abc", b"def"), (b"abcde", b"f")])
def test_body_of_another_length_is_a_fault(first: bytes, last: bytes) -> None:
    """A body that is shorter or longer than was said never looks whole."""
    outbound = Outbound(request())
    outbound.start(200, [(b"content-length", b"5")], DATE)
    outbound.body(first, more=True)
    with pytest.raises(ValueError, match="as long as"):
        outbound.body(last, more=False)
    assert not outbound.complete


def test_order_is_kept() -> None:
    """A head, then a body, then nothing."""
    outbound = Outbound(request())
    with pytest.raises(ValueError, match="follows"):
        outbound.body(b"", more=False)
    outbound.start(200, [(b"content-length", b"0")], DATE)
    with pytest.raises(ValueError, match="one head"):
        outbound.start(200, [], DATE)
    outbound.body(b"", more=False)
    with pytest.raises(ValueError, match="once"):
        outbound.body(b"", more=False)


def test_last_words_are_a_response() -> None:
    """With the connection's end in them."""
    response, body, ended = read(whole(503, "Try again.", DATE, [(b"retry-after", b"1")]))
    assert (response.status_code, body, ended) == (503, b"Try again.", True)
    assert {(b"connection", b"close"), (b"retry-after", b"1")} <= set(response.headers)
