"""What the edge takes for requests is what h11 alone takes for them; where they disagree the edge has refused."""

from __future__ import annotations

from itertools import pairwise

import h11
from hypothesis import example, given
from hypothesis import strategies as st

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.head import Unacceptable
from lingma_trio.edge.inbound import Inbound

Request = tuple[str, bytes, list[tuple[bytes, bytes]], bytes]

LINES = (
    b"GET / HTTP/1.1\r\n",
    b"POST /v1 HTTP/1.1\r\n",
    b"POST /v1 HTTP/1.0\r\n",
    b"PRI * HTTP/2.0\r\n",
    b"GET /\xff HTTP/1.1\r\n",
    b"GET / HTTP/1.1\n",
    b"GET  / HTTP/1.1\r\n",
)
FIELDS = (
    b"Host: a\r\n",
    b"host: b\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length: 05\r\n",
    b"content-length: 4\r\n",
    b"content-length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"transfer-encoding: CHUNKED\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Connection: close\r\n",
    b"connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n",
    b"x: y\r\n",
    b"x: y\n",
    b"x: \r\n",
    b" folded\r\n",
    b"x: a\0b\r\n",
    b"x: a\rb\r\n",
)
ENDS = (b"\r\n", b"\n", b"")  # of empty lines between two requests h11 knows nothing, and RFC 9112 passes over them
BODIES = (
    b"",
    b"hello",
    b"hell",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;a=b\r\nhello\r\n0\r\nt: u\r\n\r\n",
    b"5\nhello\n0\n\n",
    b"g\r\nhello\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffffffff\r\n",
    b"0\r\n\r\n",
)

messages = st.builds(
    lambda line, fields, end, body: line + b"".join(fields) + end + body,
    st.sampled_from(LINES),
    st.lists(st.sampled_from(FIELDS), max_size=5).map(lambda fields: [b"Host: a\r\n", *fields]),
    st.sampled_from(ENDS),
    st.sampled_from(BODIES),
)
streams = st.lists(messages, min_size=1, max_size=3).map(b"".join)


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


def as_the_edge_reads(pieces: list[bytes]) -> list[Request]:
    """The requests up to the first that is refused, or that ends the connection."""
    inbound, found = Inbound(Bounds()), list[Request]()
    head = None
    body = b""
    try:
        for piece in pieces:
            inbound.feed(piece)
            while True:
                if head is None and (head := inbound.next_head()) is None:
                    break
                while taken := inbound.take():
                    body += taken
                if not inbound.complete:
                    break
                found.append((head.method, head.target, head.fields, body))
                if not head.keeps:
                    return found
                head, body = None, b""
    except Unacceptable:
        return found
    return found


def as_h11_reads(pieces: list[bytes]) -> list[Request]:
    """The same by h11 alone, which answers each."""
    connection, found = h11.Connection(h11.SERVER), list[Request]()
    request, body = None, b""
    try:
        for piece in pieces:
            connection.receive_data(piece)
            while not isinstance(event := connection.next_event(), type):
                if isinstance(event, h11.Request):
                    request, body = event, b""
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage) and request is not None:
                    found.append((request.method.decode(), request.target, list(request.headers), body))
                    connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                    connection.send(h11.EndOfMessage())
                    if connection.our_state is not h11.DONE:
                        return found
                    connection.start_next_cycle()
    except h11.RemoteProtocolError:
        return found
    return found


@given(streams, st.lists(st.integers(min_value=0), max_size=6))
@example(b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [])
def test_edge_reads_what_h11_reads_or_less(data: bytes, cuts: list[int]) -> None:
    """No request is one to the edge that is another to h11, however the bytes are cut."""
    pieces = pieces_of(data, cuts)
    ours = as_the_edge_reads(pieces)
    assert as_h11_reads(pieces)[: len(ours)] == ours


@given(streams, st.lists(st.integers(min_value=0), max_size=6))
def test_cuts_make_no_difference(data: bytes, cuts: list[int]) -> None:
    """What comes at once is read like what comes byte by byte."""
    assert as_the_edge_reads(pieces_of(data, cuts)) == as_the_edge_reads([data])


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0), max_size=6))
def test_noise_is_refused_or_waited_for(data: bytes, cuts: list[int]) -> None:
    """Whatever bytes come, nothing but a refusal comes of them."""
    ours = as_the_edge_reads(pieces_of(data, cuts))
    assert as_h11_reads(pieces_of(data, cuts))[: len(ours)] == ours
