"""A response as bytes: its head, and the framing of its body.

Sans-IO. The head leaves with the first piece of the body, so that both are one write.
"""

from __future__ import annotations

from collections.abc import Iterable

from lingma_trio.edge.head import Head, reason_of

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS = frozenset((204, 304))
MOST_DIGITS = 18
"""Digits of a length; some clients take no more for one."""

_LAST_CHUNK = b"0\r\n\r\n"
_CONTROLS = bytes({*range(32), 127} - set(b"\t"))


class Outbound:
    """The response to one request. `keeps` says whether the connection goes on after it.

    `begun` says whether its head is given, `complete` whether its end is.
    """

    def __init__(self, head: Head) -> None:
        self._modern = head.version == "1.1"
        self._mute = head.method == "HEAD"
        self._first = b""
        self._left: int | None = None
        self._chunked = False
        self.keeps = head.keeps
        self.begun = False
        self.complete = False

    def __repr__(self) -> str:
        return f"<Outbound begun={self.begun} complete={self.complete} keeps={self.keeps}>"

    @property
    def whole(self) -> bool:
        """Whether a client that has all that was given has the whole response."""
        return self.complete or self._left == 0

    @property
    def cut_unseen(self) -> bool:
        """Whether a client that is hung up on now takes a part for the whole: the body's end is the connection's."""
        return self.begun and not (self.complete or self._mute or self._chunked or self._left is not None)

    def start(self, status: int, fields: Iterable[tuple[bytes, bytes]], date: bytes) -> None:
        """Take the head. Raises `ValueError` for one that a client would refuse or misread, and for a second one."""
        if self.begun:
            raise ValueError("a response has one head")
        self._mute = self._mute or status in _BODILESS
        given = list(fields)
        lines = [b"HTTP/1.1 %d %b" % (status, reason_of(status)), *[b"%b: %b" % field for field in given]]
        closes = False
        for name, value in given:
            lowered = name.lower()
            if lowered == b"content-length":
                self._left = _length_in(value, self._left)
            elif lowered == b"connection":
                closes = closes or b"close" in value.lower()
        if self._left is None and not self._mute:
            self._chunked = self._modern
            self.keeps = self.keeps and self._modern
            if self._chunked:
                lines.append(b"transfer-encoding: chunked")
        if closes:
            self.keeps = False
        elif not self.keeps:
            lines.append(b"connection: close")
        lines.append(b"date: " + date)
        head = b"\r\n".join(lines)
        if len(head) - len(head.translate(None, _CONTROLS)) != 2 * (len(lines) - 1):
            raise ValueError("a field of the response holds a line's end, or what no field may hold")
        self._first = head + b"\r\n\r\n"
        self.begun = True

    def body(self, data: bytes, *, more: bool) -> bytes:
        """What to write for a piece of the body. Raises `ValueError` where the body is not as long as was said."""
        if not self.begun or self.complete:
            raise ValueError("a body follows its head, and ends once")
        first, self._first = self._first, b""
        self.complete = not more
        if self._mute:
            return first
        if self._chunked:
            framed = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            return first + framed if more else first + framed + _LAST_CHUNK
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0 or (self._left and not more):
                self.complete = False
                raise ValueError("the response's body is not as long as its head says")
        return first + data if first else data


def _length_in(value: bytes, before: int | None) -> int:
    if before is not None or not value.isdigit() or len(value) > MOST_DIGITS:
        raise ValueError("a response has one length, in digits")
    return int(value)


def whole(status: int, sentence: str, date: bytes, fields: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """A response of the edge's own, after which the connection ends."""
    body = sentence.encode()
    lines = (
        b"HTTP/1.1 %d %b" % (status, reason_of(status)),
        b"content-type: text/plain; charset=utf-8",
        b"content-length: %d" % len(body),
        b"connection: close",
        b"date: " + date,
        *(b"%b: %b" % field for field in fields),
    )
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
