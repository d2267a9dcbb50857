"""Heads: what h11 reads is judged, and what smuggling begins with is refused."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lingma_trio.edge.head import Head, Unacceptable, judged, read_head, reason_of

NAMES = (
    "Host",
    "host",
    "Content-Length",
    "Connection",
    "Transfer-Encoding",
    "Expect",
    "X-Any",
    "X",
    "X_Y",
    "x:y",
    "X Y",
    "",
)
VALUES = (
    "here", "12", "007", "+3", "3,3", "9" * 21, "close", "Keep-Alive, CLOSE", "chunked", "100-continue", "a b", "a\tb",
    " a", "\ta", "a ", "a\t", "", " ", "a:b", "\xe9", "\x7f", "\x01", "a\0b",
)  # fmt: skip
FIRST_LINES = (
    "GET / HTTP/1.1", "POST /v1?a=b HTTP/1.1", "get / HTTP/1.1", "GET  / HTTP/1.1", "GET / HTTP/1.0", "GET / HTTP/1.1 ",
    "G\xc9T / HTTP/1.1", "GET /\xe9 HTTP/1.1", "GET /\x7f HTTP/1.1",
)  # fmt: skip


def head_of(*lines: bytes, first: bytes = b"POST /v1?a=b HTTP/1.1") -> Head:
    return read_head(b"\r\n".join([first, b"Host: here", *lines, b"", b""]), most_fields=10)


def test_request_is_read() -> None:
    """Method, target, version and fields, whose names are in lower case."""
    head = head_of(b"X-A: 1", b"x-a: 2", b"Content-Length: 12")
    assert (head.method, head.target, head.version) == ("POST", b"/v1?a=b", "1.1")
    assert head.fields == [(b"host", b"here"), (b"x-a", b"1"), (b"x-a", b"2"), (b"content-length", b"12")]
    assert (head.length, head.keeps, head.expects) == (12, True, False)


def test_body_without_a_length_comes_in_chunks() -> None:
    """Its length is unknown; a request that says nothing of a body has none."""
    assert head_of(b"Transfer-Encoding: Chunked").length is None
    assert head_of().length == 0


@pytest.mark.parametrize(
    ("lines", "first", "keeps"),
    [
        ([b"Connection: keep-alive, Close"], b"GET / HTTP/1.1", False),
        ([b"Connection: close", b"Connection: keep-alive"], b"GET / HTTP/1.1", False),
        ([b"Connection: keep-alive"], b"GET / HTTP/1.0", False),
        ([], b"GET / HTTP/1.1", True),
    ],
)
def test_connection_goes_on_where_both_say_so(lines: list[bytes], first: bytes, *, keeps: bool) -> None:
    """After a request of HTTP/1.1 that does not ask for the end."""
    assert head_of(*lines, first=first).keeps is keeps


def test_leave_to_send_a_body_is_waited_for() -> None:
    """By a client of HTTP/1.1 that says so."""
    assert head_of(b"Expect: 100-Continue").expects
    assert not head_of(b"Expect: 100-continue", first=b"POST / HTTP/1.0").expects


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"Content-Length: 3", b"Transfer-Encoding: chunked"], 400),
        ([b"Transfer-Encoding: gzip"], 501),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], 501),
        ([b"Content-Length: 3", b"Content-Length: 4"], 400),
        ([b"Content-Length: +3"], 400),
        ([b"Content-Length: 0x3"], 400),
        ([b"Host: there"], 400),
        ([b"Authorization: Bearer a", b"Authorization: Bearer b"], 400),
        ([b"X: a", b" folded"], 400),
        ([b"X: a\n"], 400),
        ([b"X: a\rb"], 400),
        ([b"X : a"], 400),
        ([b": a"], 400),
        ([b"X: a\0b"], 400),
        ([b"x: y"] * 10, 431),
    ],
)
def test_fields_that_two_readers_take_two_ways_are_refused(lines: list[bytes], status: int) -> None:
    """Before anything of the request is acted on."""
    with pytest.raises(Unacceptable) as refusal:
        head_of(*lines)
    assert refusal.value.status == status
    assert refusal.value.sentence.endswith(".")


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (b"GET / HTTP/2.0", 505),
        (b"PRI * HTTP/2.0", 505),
        (b"GET / HTTP/3", 505),
        (b"GET / HTTP/0.9", 505),
        (b"GET /", 400),
        (b"GET / HTTP/1.1 x", 400),
        (b"GET / http/1.1", 400),
        (b"G T / HTTP/1.1", 400),
        (b"GET /a b HTTP/1.1", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
    ],
)
def test_other_beginnings_are_refused(first: bytes, status: int) -> None:
    """A version that is not spoken by its own status."""
    with pytest.raises(Unacceptable) as refusal:
        head_of(first=first)
    assert refusal.value.status == status


def test_statuses_have_words() -> None:
    """As far as there are any."""
    assert reason_of(404) == b"Not Found"
    assert reason_of(599) == b""


def as_h11_reads(raw: bytes) -> Head | None:
    """What h11 alone takes for a head, where the edge takes it as well."""
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(raw)
    try:
        request = reader.next_event()
        assert isinstance(request, h11.Request)
        return judged(request)
    except (h11.RemoteProtocolError, Unacceptable):
        return None


@given(
    st.sampled_from(FIRST_LINES) | st.just("GET / HTTP/1.1"),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(("", " ", "  ")), st.sampled_from(VALUES)), max_size=4),
    st.booleans(),
)
@example("POST / HTTP/1.1", [("Content-Length", " ", "007")], True)
@example("GET / HTTP/1.1", [("X", "", "a" + " " * 9)], True)
def test_plain_heads_are_read_as_h11_reads_them(first: str, fields: list[tuple[str, str, str]], at_home: bool) -> None:
    """Whatever is read without it, is read to the same end; what it refuses is refused."""
    lines = [first, *(["Host: here"] if at_home else []), *(f"{name}:{blank}{value}" for name, blank, value in fields)]
    raw = "\r\n".join([*lines, "", ""]).encode("latin-1")
    try:
        head = read_head(raw, most_fields=10)
    except Unacceptable:
        head = None
    assert head == as_h11_reads(raw)


def test_head_of_blanks_takes_no_longer_than_any() -> None:
    """One that is nearly plain is looked at once."""
    raw = b"GET / HTTP/1.1\r\nHost: here\r\n" + b"X: a" + b" b" * 15_000 + b" " * 30_000 + b"\r\n\r\n"
    assert dict(read_head(raw, most_fields=10).fields)[b"x"].endswith(b" b")
