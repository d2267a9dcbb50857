"""A request's head: h11 reads it, and what smuggling begins with is refused before and after.

A head of the plainest kind, which nearly all are, is read by two expressions to the same end in a tenth of the steps.
Whatever they do not match from end to end is h11's to read or to refuse.

Sans-IO. Knows heads as RFC 9112 has them; must not know connections.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final, TypeAlias

import h11

from lingma_trio.records import record

Fields: TypeAlias = list[tuple[bytes, bytes]]

END: Final = b"\r\n\r\n"
_FOLD = re.compile(rb"\r\n[ \t]")
_VERSION = re.compile(rb" HTTP/[0-9.]+\Z")
_PLAIN_FIELD = re.compile(rb"([-!#$%&'*+.^_`|~0-9A-Za-z]++): ?+([!-~]++(?: ++[!-~]++)*+)\r\n")
_PLAIN_HEAD = re.compile(rb"([A-Z]++) ([!-~]++) HTTP/1\.1\r\n((?:" + _PLAIN_FIELD.pattern + rb")++)\r\n")
_LENGTH = re.compile(rb"[0-9]{1,20}")
_NOT_PLAIN = frozenset((b"transfer-encoding", b"expect"))
ONCE = frozenset((b"host", b"authorization", b"content-length", b"transfer-encoding"))
"""Fields that two readers would take two ways where there are two of them."""


class Unacceptable(Exception):
    """What came is no request that is served; the connection ends with `status` and a sentence that says why."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@record
class Head:
    """A request but for its body. Field names are in lower case.

    `length` is the body's in bytes, None where it comes in chunks. `keeps` says whether the connection may serve a
    further request, `expects` whether the client waits for a 100 before it sends its body.
    """

    method: str
    target: bytes
    version: str
    fields: Fields
    length: int | None
    keeps: bool
    expects: bool


def read_head(raw: bytes, *, most_fields: int) -> Head:
    """Read the whole of a head, which ends with END.

    Raises `Unacceptable` for what is no request, and for what is one to some readers and another to others.
    """
    return _read_plain(raw, most_fields) or _read_any(raw, most_fields)


def _read_plain(raw: bytes, most_fields: int) -> Head | None:
    """Read a head that nobody could read in another way; None for any other."""
    plain = _PLAIN_HEAD.fullmatch(raw)
    if plain is None:
        return None
    fields = [(name.lower(), value) for name, value in _PLAIN_FIELD.findall(plain[3])]
    found = dict(fields)
    length = found.get(b"content-length", b"0")
    if (
        len(found) < len(fields)  # and some field is there twice
        or len(fields) > most_fields
        or b"host" not in found
        or not _NOT_PLAIN.isdisjoint(found)
        or not _LENGTH.fullmatch(length)
    ):
        return None
    return Head(
        method=plain[1].decode(),
        target=plain[2],
        version="1.1",
        fields=fields,
        length=int(length),
        keeps=b"connection" not in found or b"close" not in found[b"connection"].lower(),
        expects=False,
    )


def _read_any(raw: bytes, most_fields: int) -> Head:
    """Read what h11 takes for a head."""
    lines = raw.count(b"\r\n")
    if raw.count(b"\n") != lines or raw.count(b"\r") != lines:
        raise Unacceptable(400, "A line of the request's head ends without CR LF.")
    if _FOLD.search(raw):
        raise Unacceptable(400, "A field of the request's head goes on in a second line; write it in one.")
    if lines - 2 > most_fields:
        raise Unacceptable(431, f"The request has more than {most_fields} header fields.")
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=len(raw) + 1)
    reader.receive_data(raw)
    try:
        request = reader.next_event()
    except h11.RemoteProtocolError as fault:
        raise _no_request(raw, fault) from None
    if not isinstance(request, h11.Request):
        raise Unacceptable(400, "This is no HTTP request.")
    return judged(request)


def _no_request(raw: bytes, fault: h11.RemoteProtocolError) -> Unacceptable:
    line = raw[: raw.find(b"\r\n")]
    if _VERSION.search(line) and not line.endswith((b" HTTP/1.1", b" HTTP/1.0")):
        return _wrong_version()
    return Unacceptable(fault.error_status_hint, f"This is no HTTP request: {fault}.")


def _wrong_version() -> Unacceptable:
    return Unacceptable(505, "Speak version 1.1 of HTTP to this port.")


def judged(request: h11.Request) -> Head:
    """What h11 took for a request. Raises `Unacceptable` for one that is another to other readers."""
    if request.http_version not in (b"1.1", b"1.0"):
        raise _wrong_version()
    fields: Fields = list(request.headers)
    found: dict[bytes, bytes] = {}
    options = b""
    for name, value in fields:
        if name in found and name in ONCE:
            raise Unacceptable(400, f"The request has two {name.decode()} fields.")
        if name == b"connection":
            options += value.lower() + b","
        found[name] = value
    modern = request.http_version == b"1.1"
    chunked = b"transfer-encoding" in found
    if chunked and (b"content-length" in found or not modern):
        raise Unacceptable(400, "Transfer-Encoding stands where it leaves the length of the body open.")
    return Head(
        method=request.method.decode(),
        target=request.target,
        version=request.http_version.decode(),
        fields=fields,
        length=None if chunked else int(found.get(b"content-length", b"0")),
        keeps=modern and b"close" not in options,
        expects=modern and found.get(b"expect", b"").lower() == b"100-continue",
    )


_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


def reason_of(status: int) -> bytes:
    """The words that stand behind a status in a response's first line."""
    return _REASONS.get(status, b"")
