"""Cuts a byte stream into message bodies, and wraps bodies for sending.

Knows bytes and `Content-Length`, as the base protocol of language servers has them. Must not know JSON, WebSocket or
Lingma.
"""

from __future__ import annotations

import re
from typing import ClassVar

from lingma_trio.errors import ProtocolFault

MAX_HEADER = 4 * 1024
"""Longest header block in bytes, blank line included: real ones have 30, so more is no header at all."""

MAX_BODY = 32 * 1024 * 1024
"""Longest body in bytes: agent-mode prompts reach hundreds of kilobytes, and nothing honest comes near this."""

_END_OF_HEADER = b"\r\n\r\n"
_USUAL_HEADER = re.compile(rb"Content-Length: ([0-9]{1,8})\r\n\r\n")


class Framer:
    """The receiving half of a framed stream.

    Feed it whatever the transport delivers, in any chunking: half a header, three frames and a bit. Header names are
    matched in any case, blanks round the value are optional, unknown headers are skipped, and lengths count bytes.
    """

    mixed: ClassVar[bool] = False
    """Nothing but messages can come in frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._body_start = 0
        self._frame_end = 0  # 0 while the header of the frame at the buffer's beginning is incomplete
        self._fault: str | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Take the stream's next bytes; return the bodies they complete, in order.

        Raises ProtocolFault on a malformed or oversized header, and on every call after that: once the place of the
        next header is unknown, nothing that follows can be trusted. Bodies that the same bytes completed before the
        fault are lost with it.
        """
        if self._fault is not None:
            raise ProtocolFault(self._fault)
        bodies: list[bytes] = []
        try:
            if self._buffer:
                self._buffer += data
                if (body := self._next_body()) is None:
                    return bodies
                bodies.append(body)
                data = bytes(self._buffer)
                self._buffer.clear()
            rest = _take_usual(data, bodies)
            if rest < len(data):
                self._buffer += data[rest:]
                while (body := self._next_body()) is not None:
                    bodies.append(body)
        except ProtocolFault as fault:
            self._fault = str(fault)
            self._buffer.clear()
            raise
        return bodies

    def close(self) -> None:
        """Note the end of the stream.

        Raises ProtocolFault when it comes in the middle of a frame, or after a fault.
        """
        if self._fault is None and self._buffer:
            self._fault = f"the stream ended in the middle of a frame, {len(self._buffer)} bytes into it"
        if self._fault is not None:
            raise ProtocolFault(self._fault)

    def wrap(self, body: bytes) -> bytes:
        """Return `body` as one frame, ready to be sent."""
        return frame(body)

    def _next_body(self) -> bytes | None:
        if not self._frame_end and not self._read_header():
            return None
        if len(self._buffer) < self._frame_end:
            return None
        body = bytes(self._buffer[self._body_start : self._frame_end])
        del self._buffer[: self._frame_end]
        self._frame_end = 0
        return body

    def _read_header(self) -> bool:
        # Raw JSON would otherwise be taken for a long header, and be waited on in silence.
        if self._buffer and not self._buffer[:1].isalpha():
            raise ProtocolFault("a message without a Content-Length header")
        end = self._buffer.find(_END_OF_HEADER, 0, MAX_HEADER)
        if end < 0:
            if len(self._buffer) >= MAX_HEADER:
                raise ProtocolFault(f"a header longer than {MAX_HEADER} bytes")
            return False
        self._body_start = end + len(_END_OF_HEADER)
        self._frame_end = self._body_start + _content_length(bytes(self._buffer[:end]))
        return True


def frame(body: bytes) -> bytes:
    """Return `body` as one frame, ready to be sent."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _take_usual(data: bytes, bodies: list[bytes]) -> int:
    """Add the bodies of the whole frames with the usual header that `data` begins with; return where the rest begins.

    Nearly everything that arrives is such frames, some hundred at once in a burst: taking each from where it lies
    spares two copies and the dissection of its header.
    """
    start, size = 0, len(data)
    while (header := _USUAL_HEADER.match(data, start)) is not None:
        body = header.end()
        end = body + int(header[1])
        if end > size or end - body > MAX_BODY:
            break
        bodies.append(data[body:end])
        start = end
    return start


def _content_length(header: bytes) -> int:
    length: bytes | None = None
    for line in header.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            raise ProtocolFault("a header line without a colon")
        if name.strip().lower() == b"content-length":
            if length is not None:
                raise ProtocolFault("a header with two lengths")
            length = value.strip()
    if length is None:
        raise ProtocolFault("a message without a Content-Length header")
    if not length.isdigit():
        raise ProtocolFault("a Content-Length that is no number")
    if int(length) > MAX_BODY:
        raise ProtocolFault(f"a body longer than {MAX_BODY} bytes")
    return int(length)
