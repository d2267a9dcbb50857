"""What is a request and what is none, as bytes: the cases that readers of HTTP/1.1 are known to disagree about.

Knows the wire; must not know who reads it. The cases are those of RFC 9112, of h11's own tests, and of what the edge
promises besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

BODY = b'{"model":"auto","messages":[{"role":"user","content":"a"}]}'
HALF = len(BODY) // 2
GET = b"GET /healthz HTTP/1.1"
HOST = b"Host: localhost"
END = b"\r\n\r\n"

Statuses: TypeAlias = tuple[int, ...]
OK: Statuses = (200,)
BAD: Statuses = (400,)


@dataclass(frozen=True, slots=True)
class Case:
    """Bytes, and the statuses of all that is answered to them.

    `goes_on` says whether a further request on the connection is answered; what is refused ends it. `hypercorn` are the
    statuses there, where h11 by itself takes more than the edge does, or Hypercorn less.
    """

    name: str
    sent: bytes
    statuses: Statuses = OK
    goes_on: bool = True
    hypercorn: Statuses = ()


def _get(name: str, *lines: bytes, first: bytes = GET, statuses: Statuses = OK, goes_on: bool = True) -> Case:
    return Case(name, b"\r\n".join([first, HOST, *lines]) + END, statuses, goes_on)


def _bad(name: str, *lines: bytes, first: bytes = GET, statuses: Statuses = BAD) -> Case:
    return _get(name, *lines, first=first, statuses=statuses, goes_on=False)


def _raw(name: str, sent: bytes, statuses: Statuses = BAD, *, hypercorn: Statuses = ()) -> Case:
    return Case(name, sent, statuses, goes_on=statuses == OK, hypercorn=hypercorn)


def _post(*lines: bytes) -> bytes:
    return b"\r\n".join([b"POST /v1/chat/completions HTTP/1.1", HOST, *lines]) + END


def _sized(name: str, *lines: bytes, statuses: Statuses = OK) -> Case:
    """A body whose length the lines tell."""
    return Case(name, _post(*lines) + BODY, statuses, goes_on=statuses == OK)


def _chunked(name: str, framed: bytes, statuses: Statuses = OK, *, hypercorn: Statuses = ()) -> Case:
    """A body in chunks, with the gateway's question for `%b`."""
    sent = _post(b"Transfer-Encoding: chunked") + framed.replace(b"%b", b"%x\r\n%b\r\n" % (len(BODY), BODY))
    return Case(name, sent, statuses, goes_on=statuses == OK, hypercorn=hypercorn)


LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
FIRST, REST = BODY[:HALF], BODY[HALF:]

LINES = [
    _get("a request"),
    _get("a target with a query", first=b"GET /healthz?a=%20b&c HTTP/1.1"),
    _raw("the form for proxies", b"GET http://elsewhere/healthz HTTP/1.1\r\n" + HOST + END, OK, hypercorn=(404,)),
    _get("a path that decodes to no text", first=b"GET /%ff%00%zz HTTP/1.1", statuses=(404,)),
    _get("an unknown method", first=b"BREW /healthz HTTP/1.1", statuses=(405,)),
    _get("options of everything", first=b"OPTIONS * HTTP/1.1", statuses=(404,)),
    _raw("an empty line before it", b"\r\n" + GET + b"\r\n" + HOST + END, OK, hypercorn=BAD),
    _bad("a word behind the version", first=GET + b" xxxx"),
    _bad("two blanks in the first line", first=b"GET  /healthz HTTP/1.1"),
    _bad("a tab in the first line", first=b"GET\t/healthz HTTP/1.1"),
    _bad("a blank before the first line", first=b" " + GET),
    _bad("no target", first=b"GET HTTP/1.1"),
    _bad("no version", first=b"GET /healthz"),
    _bad("a blank in the target", first=b"GET /heal thz HTTP/1.1"),
    _bad("a zero in the target", first=b"GET /\0healthz HTTP/1.1"),
    _bad("a delete in the target", first=b"GET /\x7fhealthz HTTP/1.1"),
    _bad("a byte beyond ASCII in the target", first=b"GET /\xeehealthz HTTP/1.1"),
    _bad("a byte beyond ASCII in the method", first=b"G\xeeT /healthz HTTP/1.1"),
    _bad("a version in small letters", first=b"GET /healthz http/1.1"),
    _bad("version 2", first=b"GET /healthz HTTP/2.0", statuses=(505,)),
    _bad("a version nobody knows", first=b"GET /healthz HTTP/9.9", statuses=(505,)),
    _raw("noise", b"gibberish" + END),
    _raw("a TLS greeting", b"\x16\x03\x01\0\xa5" + END),
    _raw("zeros", bytes(8) + END),
]
FIELDS = [
    _get("a field without a value", b"X:"),
    _get("blanks around a value", b"X: \t a a  a \t "),
    _get("control characters in a value", b"Cookie: a=\x01; b=\x7f"),
    _get("a value beyond ASCII", b"X: \xc3\xa4\xff"),
    _get("every character of a name", b"!#$%&'*+-.^_`|~09AZaz: x"),
    _get("the same field twice", b"X: a", b"x: b"),
    _get("a body that nobody reads", b"Content-Length: 0"),
    _get("as many fields as there may be", *[b"x: y"] * 98),
    Case("more fields than there may be", _get("", *[b"x: y"] * 100).sent, (431,), goes_on=False, hypercorn=OK),
    _get("the end of the connection", b"Connection: fOo,, , CLOSE", b"Connection: keep-alive", goes_on=False),
    _raw("no host", GET + END),
    _bad("two hosts", b"Host: elsewhere"),
    _bad("two keys", b"Authorization: Bearer a", b"Authorization: Bearer b"),
    _bad("a name before blanks", b"X : y"),
    _bad("a name before a tab", b"X\t: y"),
    _bad("a blank in a name", b"X y: z"),
    _bad("no name", b": y"),
    _bad("no colon", b"X"),
    _bad("a zero in a name", b"X\0: y"),
    _bad("a control character in a name", b"X\x01: y"),
    _bad("a byte beyond ASCII in a name", b"X\xff: y"),
    _bad("a zero in a value", b"X: a\0b"),
    _bad("a bare CR in a value", b"X: a\rb"),
    _bad("a first field that is folded", first=GET + b"\r\n folded: line"),
    _raw("a field that is folded", b"\r\n".join([GET, HOST, b"X: a", b"\tb"]) + END, hypercorn=OK),
    _raw("a length that is folded", b"\r\n".join([GET, HOST, b"Content-Length:", b" 0"]) + END, hypercorn=OK),
    _raw("bare LF everywhere", b"\n".join([GET, HOST, b"", b""]), hypercorn=OK),
    _raw("bare LF at the end", b"\r\n".join([GET, HOST]) + b"\n\r\n", hypercorn=OK),
    _raw("bare LF between fields", b"\r\n".join([GET, HOST + b"\nX: y"]) + END, hypercorn=OK),
]
LENGTHS = [
    _sized("a length", LENGTH),
    _sized("a length with zeros before it", b"Content-Length: 000%d" % len(BODY)),
    _sized("the same length twice", LENGTH, LENGTH),
    _sized("the same length twice in one field", b"Content-Length: %d , %d" % (len(BODY), len(BODY))),
    _sized("two lengths", LENGTH, b"Content-Length: 1", statuses=BAD),
    _sized("two lengths in one field", b"Content-Length: %d , %d,1" % (len(BODY), len(BODY)), statuses=BAD),
    _sized("a length with a sign", b"Content-Length: +%d" % len(BODY), statuses=BAD),
    _sized("a negative length", b"Content-Length: -%d" % len(BODY), statuses=BAD),
    _sized("a length in other digits", b"Content-Length: 0x%x" % len(BODY), statuses=BAD),
    _sized("a length and a letter", b"Content-Length: %dx" % len(BODY), statuses=BAD),
    _sized("a length of words", b"Content-Length: asdf", statuses=BAD),
    _sized("an empty length", b"Content-Length:", statuses=BAD),
    _sized("a length of twenty-one digits", b"Content-Length: " + b"1" * 21, statuses=BAD),
    _sized("a length behind a vertical tab", b"Content-Length:\x0b%d" % len(BODY), statuses=BAD),
    Case("a length and chunks", _post(LENGTH, CHUNKED) + b"0" + END, BAD, goes_on=False),
    Case("chunks and a length", _post(CHUNKED, b"Content-Length: 5") + b"0" + END, BAD, goes_on=False),
]
CHUNKS = [
    _chunked("one chunk", b"%b0\r\n\r\n"),
    _chunked("two chunks", b"%x\r\n%b\r\n%X\r\n%b\r\n0\r\n\r\n" % (len(FIRST), FIRST, len(REST), REST)),
    _chunked("a size with zeros before it", b"00%x\r\n%b\r\n000\r\n\r\n" % (len(BODY), BODY)),
    _chunked("blanks behind a size", b"%x  \t\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    _chunked("extensions", b"%x; hello=there\r\n%b\r\n0;a\r\n\r\n" % (len(BODY), BODY)),
    _chunked("trailers", b"%b0\r\nSome: header\r\nX:\r\n\r\n"),
    _chunked("no size", b"\r\n", BAD),
    _chunked("a size of words", b"zz\r\n", BAD),
    _chunked("a size with a sign", b"+%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY), BAD),
    _chunked("a negative size", b"-1\r\n", BAD),
    _chunked("a size in other digits", b"0x%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY), BAD),
    _chunked("a blank before a size", b" %x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY), BAD),
    _chunked("a size of too many digits", b"9" * 100 + b"\r\nxxx", BAD),
    _chunked("a zero behind a size", b"10\0\r\nxxx", BAD),
    _chunked("a size that ends in LF", b"%x\n%b\r\n0\r\n\r\n" % (len(BODY), BODY), BAD),
    _chunked("a chunk that is longer than it says", b"3\r\nxxx__1a\r\n", BAD),
    _chunked("a chunk that ends in CR", b"3\r\nxxx\r_1a\r\n", BAD),
    _chunked("a chunk that ends in LF", b"3\r\nxxx_\n1a\r\n", BAD),
    _chunked("a bare CR in an extension", b"%x;\ra\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY), BAD, hypercorn=OK),
    _chunked("trailers that end in LF", b"%b0\r\na: b\n\r\n", BAD, hypercorn=OK),
    _chunked("trailers that are folded", b"%b0\r\na: b\r\n c\r\n\r\n", BAD, hypercorn=OK),
    _chunked("a length in trailers", b"%b0\r\nContent-Length: 5\r\n\r\n", BAD, hypercorn=OK),
    _chunked("a trailer that is a request", b"%b0\r\nGET / HTTP/1.1\r\n\r\n", BAD),
    Case(
        "chunked in other letters", _post(b"Transfer-Encoding: cHuNkEd") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    ),
    *(
        Case(
            f"{coding.decode()!r} for a coding",
            _post(b"Transfer-Encoding:" + coding) + b"0" + END,
            (501,),
            goes_on=False,
        )
        for coding in (b" gzip", b" gzip, chunked", b" chunked, gzip", b" chunked, chunked", b" identity", b" x", b"")
    ),
    Case("two codings", _post(CHUNKED, b"Transfer-Encoding: gzip") + b"0" + END, (501,), goes_on=False),
    Case("a coding behind a vertical tab", _post(b"Transfer-Encoding:\x0bchunked") + b"0" + END, BAD, goes_on=False),
    Case("a coding before a blank", _post(b"Transfer-Encoding : chunked") + b"0" + END, BAD, goes_on=False),
    Case(
        "chunks from a client of HTTP/1.0",
        _post(CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0") + b"0" + END,
        BAD,
        goes_on=False,
    ),
]
SEQUENCES = [
    Case("a hundred requests", (GET + b"\r\n" + HOST + END) * 100, OK * 100),
    Case("a body and a request", _post(LENGTH) + BODY + GET + b"\r\n" + HOST + END, OK * 2),
    Case("five bytes that nobody reads", _get("", b"Content-Length: 5").sent + b"hello", OK),
    Case("a request of HTTP/1.0", b"GET /healthz HTTP/1.0\r\n\r\n", OK, goes_on=False),
    Case(
        "HTTP/1.0 that would go on",
        b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        OK,
        goes_on=False,
    ),
    Case("a tunnel", b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere" + END, (404,)),
    Case("a request and noise", GET + b"\r\n" + HOST + END + b"\xff\xff" + END, (200, 400), goes_on=False),
    Case("a good one and a folded one", (GET + b"\r\n" + HOST) + END + b" " + GET + END, (200, 400), goes_on=False),
]
ALL = [*LINES, *FIELDS, *LENGTHS, *CHUNKS, *SEQUENCES]
