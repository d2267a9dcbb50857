"""Inputs that end, wedge or upset HTTP servers, as bytes: each kills an unguarded Hypercorn on Trio, or might.

Knows HTTP/1.1 and HTTP/2 on the wire; must not know who reads them.
"""

from __future__ import annotations

from dataclasses import dataclass

from h2.config import H2Configuration
from h2.connection import H2Connection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_AUTHORITY = [(b":scheme", b"http"), (b":authority", b"gateway")]
_DATA, _PRIORITY, _SETTINGS, _WINDOW_UPDATE = 0, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Input:
    """What to send, piece by piece; between two pieces the server's answer is waited for."""

    name: str
    pieces: tuple[bytes, ...]


def frame(kind: int, payload: bytes, *, flags: int = 0, stream: int = 0) -> bytes:
    """One HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def request(headers: list[tuple[bytes, bytes]], *, end: bool = True) -> bytes:
    """A connection's first bytes and one HTTP/2 request, whatever its headers are."""
    unchecked = H2Configuration(
        header_encoding=None,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        split_outbound_cookies=False,
    )
    connection = H2Connection(unchecked)
    connection.initiate_connection()
    connection.send_headers(1, headers, end_stream=end)
    return connection.data_to_send()


def _get(path: bytes, method: bytes = b"GET") -> list[tuple[bytes, bytes]]:
    return [(b":method", method), (b":path", path), *_AUTHORITY]


HTTP2 = [
    Input("a complete request", (request(_get(b"/healthz")),)),
    Input("a byte beyond ASCII in the path", (request(_get(b"/\xff")),)),
    Input("a byte beyond ASCII in the method", (request(_get(b"/healthz", b"G\xffT")),)),
    Input("CONNECT without a path", (request([(b":method", b"CONNECT"), (b":authority", b"gateway:1")]),)),
    Input(
        "data after the response",
        (request(_get(b"/healthz", b"POST"), end=False), frame(_DATA, b"late", stream=1)),
    ),
    Input(
        "data and an end after the response",
        (request(_get(b"/healthz", b"POST"), end=False), frame(_DATA, b"late", flags=1, stream=1)),
    ),
    Input(
        "two thousand priorities",
        (
            request(_get(b"/healthz"))
            + b"".join(frame(_PRIORITY, bytes((0, 0, 0, 0, 15)), stream=2 * number + 3) for number in range(2000)),
        ),
    ),
    Input(
        "a window that overflows",
        (request(_get(b"/healthz")) + 2 * frame(_WINDOW_UPDATE, (2**31 - 1).to_bytes(4, "big")),),
    ),
    Input("settings of a wrong length", (PREFACE + frame(_SETTINGS, b"12345"),)),
    Input("the preface alone", (PREFACE,)),
    Input("a preface that goes wrong", (PREFACE[:18] + b"XX\r\n\r\n",)),
]


def _head(line: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([line + b" HTTP/1.1", b"host: localhost", *lines, b"", b""])


def _health(*lines: bytes) -> bytes:
    return _head(b"GET /healthz", *lines)


def _chat(*lines: bytes) -> bytes:
    return _head(b"POST /v1/chat/completions", *lines)


def _posted(body: bytes) -> bytes:
    return _chat(b"content-length: %d" % len(body)) + body


_CHUNKED = b"transfer-encoding: chunked"
_WEBSOCKET = (b"connection: upgrade", b"upgrade: websocket")

HTTP1 = [
    Input("nothing", (b"",)),
    Input("noise", (bytes(range(256)) * 8,)),
    Input("zeros", (bytes(4096),)),
    Input("only line ends", (b"\r\n" * 1000,)),
    Input("a TLS greeting", (bytes.fromhex("16030100a5010000a10303") + bytes(160),)),
    Input("a version nobody knows", (b"GET /healthz HTTP/3.0\r\nhost: localhost\r\n\r\n",)),
    Input("an HTTP/0.9 request", (b"GET /healthz\r\n\r\n",)),
    Input("no host", (b"GET /healthz HTTP/1.1\r\n\r\n",)),
    # targets and methods
    Input("a byte beyond ASCII in the path", (_head(b"GET /\xff"),)),
    Input("a byte beyond ASCII in the method", (_head(b"G\xffT /healthz"),)),
    Input("a path that decodes to no text", (_head(b"GET /%ff%fe"),)),
    Input("a model that decodes to no text", (_head(b"GET /v1/models/%ff%00%ed%a0%80"),)),
    Input("a query that decodes to no text", (_head(b"GET /healthz?%ff=%zz"),)),
    Input("a target that is no address", (_head(b"GET http://[/"),)),
    Input("the target of a proxy", (_head(b"GET http://elsewhere/healthz"),)),
    Input("options of everything", (_head(b"OPTIONS *"),)),
    Input("a tunnel", (_head(b"CONNECT elsewhere:443"),)),
    Input("a huge target", (_head(b"GET /" + b"x" * 200_000),)),
    # headers
    Input("bytes beyond ASCII in headers", (_health(b"authorization: Bearer \xff", b"x-request-id: \xfd"),)),
    Input("an origin that is no address", (_head(b"GET /v1/models", b"origin: http://["),)),
    Input("an origin beyond ASCII", (_head(b"GET /v1/models", b"origin: http://\xff]\xfe"),)),
    Input("a header with a zero in it", (_health(b"x: a\0b"),)),
    Input("a huge header", (_health(b"x: " + b"x" * 200_000),)),
    Input("many headers", (_health(*([b"x: y"] * 20_000)),)),
    # lengths and chunks
    Input("a negative length", (_chat(b"content-length: -1"),)),
    Input("an endless length", (_chat(b"content-length: " + b"9" * 5000),)),
    Input("a length of nineteen digits", (_chat(b"content-length: 9999999999999999999"), b"{")),
    Input("two lengths", (_chat(b"content-length: 2", b"content-length: 3") + b"{}",)),
    Input("a length and chunks", (_chat(b"content-length: 2", _CHUNKED) + b"0\r\n\r\n",)),
    Input("chunks of no size", (_chat(_CHUNKED), b"zz\r\n{}\r\n0\r\n\r\n")),
    Input("a chunk that is longer than it says", (_chat(_CHUNKED) + b"2\r\n{}{}\r\n0\r\n\r\n",)),
    Input("a chunk as large as memory", (_chat(_CHUNKED) + b"ffffffffffffffff\r\n{}",)),
    Input("bad chunks where nobody reads", (_health(_CHUNKED), b"zz\r\n")),
    Input("an unknown encoding", (_chat(b"transfer-encoding: rot13"),)),
    # bodies
    Input("a body where nobody reads", (_health(b"content-length: 300000") + b"x" * 300_000,)),
    Input("half a body", (_chat(b"content-length: 100") + b"{",)),
    Input("a body when told to go on", (_chat(b"expect: 100-continue", b"content-length: 2"), b"[]")),
    Input("JSON too deep", (_posted(b"[" * 100_000),)),
    Input("messages too deep", (_posted(b'{"messages":' + b'[{"content":' * 50_000),)),
    Input("JSON with a lone surrogate", (_posted(rb'{"messages":[{"role":"user","content":"\ud800"}]}'),)),
    Input("a model with a lone surrogate", (_posted(rb'{"model":"\udfff","messages":"\ud800"}'),)),
    Input("JSON that is no text", (_posted(b'{"messages":"\xff\xfe"}'),)),
    Input("a number with many digits", (_posted(b'{"n":' + b"9" * 10_000 + b"}"),)),
    # other protocols, and more than was asked for
    Input(
        "an offer to upgrade to HTTP/2",
        (_health(b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: %%%"),),
    ),
    Input(
        "an upgrade to a WebSocket",
        (_health(*_WEBSOCKET, b"sec-websocket-version: 13", b"sec-websocket-key: eA==") + b"\x81", b"\xff\xff"),
    ),
    Input("an upgrade to a WebSocket without a key", (_health(*_WEBSOCKET),)),
    Input("a hundred requests at once", (_health() * 100,)),
    Input("a request and noise", (_health() + b"\xff\xff\xff\xff", b"\xff")),
]
