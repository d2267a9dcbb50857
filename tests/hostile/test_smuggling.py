"""What the edge takes for requests is what h11 alone takes for them; where they disagree the edge has refused.

Messages are made of parts that smuggling is made of; `fuzz/` has the same promise kept for bytes of any kind.
"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.edge_inbound import check

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


@given(streams)
@example(b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
def test_edge_reads_what_h11_reads_or_less(data: bytes) -> None:
    """No request is one to the edge that is another to h11, and none depends on how the bytes are cut."""
    check(data)


@given(st.binary(max_size=300))
def test_noise_is_refused_or_waited_for(data: bytes) -> None:
    """Whatever bytes come, nothing but a refusal comes of them."""
    check(data)
