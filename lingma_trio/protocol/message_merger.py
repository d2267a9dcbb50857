"""Merges WebSocket messages that arrived together into one.

A WebSocket library hands messages over one at a time, each at the price of a turn of the scheduler. Lingma's messages
carry their own lengths (`framing`), so it does not matter how many of them one WebSocket message holds: in a burst
some hundred deltas become one message. Knows the frames a server sends (RFC 6455, 5.2). Must not know what they carry.
"""

from __future__ import annotations

PASSING_SIZE = 256 * 1024
"""Bytes from which on a message is handed on as it comes: collecting it would copy it again with every read."""

_END_OF_HANDSHAKE = b"\r\n\r\n"
_TEXT = 0x81  # a whole text message
_BINARY = 0x82  # a whole binary message
_LENGTH_IN_2 = 126  # the length follows in two bytes
_LENGTH_IN_8 = 127  # or in eight; with the mask bit set it would be larger still, and no server masks


class MessageMerger:
    """Between the socket and the WebSocket library: bytes in, bytes of the same meaning out.

    Whole text messages in a row leave as one, and whole binary ones; everything else (the handshake, control frames,
    fragments, what makes no sense) passes as it is and in its place.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._passing = 0
        self._shaking_hands = True

    def feed(self, data: bytes) -> bytes:
        """Take what was received; returns what to hand on, which is empty while a frame is incomplete.

        An empty `data` is the end of the stream: what was held back then leaves as it is.
        """
        if not data:
            held, self._buffer = self._buffer, b""
            return held
        if self._passing:
            passed = data[: self._passing]
            self._passing -= len(passed)
            return passed + self._merge(data[len(passed) :])
        data = self._buffer + data if self._buffer else data
        if self._shaking_hands:
            end = data.find(_END_OF_HANDSHAKE)
            if end < 0:
                self._buffer = data
                return b""
            self._shaking_hands = False
            end += len(_END_OF_HANDSHAKE)
            self._buffer = b""
            return data[:end] + self.feed(data[end:]) if len(data) > end else data
        return self._merge(data)

    def _merge(self, data: bytes) -> bytes:
        out: list[bytes] = []
        run: list[bytes] = []
        kind = 0
        start = 0
        while (bounds := _frame_at(data, start)) is not None and bounds[1] <= len(data):
            body, end = bounds
            head = data[start]
            if run and head != kind:
                out += _joined(kind, run)
                run = []
            if head in (_TEXT, _BINARY):
                kind = head
                run.append(data[body:end])
            else:
                out.append(data[start:end])
            start = end
        if run:
            out += _joined(kind, run)
        self._buffer = data[start:]
        if bounds is not None and bounds[1] - start > PASSING_SIZE:
            self._passing = bounds[1] - len(data)
            out.append(self._buffer)
            self._buffer = b""
        return b"".join(out)


def _frame_at(data: bytes, start: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `start` begins and where it will end; None while its head is incomplete."""
    if len(data) < start + 2:
        return None
    length = data[start + 1]
    body = start + 2
    if length < _LENGTH_IN_2:
        return body, body + length
    if length > _LENGTH_IN_8:
        return body, len(data)  # masked, which no server may do: for the library to refuse
    width = 2 if length == _LENGTH_IN_2 else 8
    if len(data) < body + width:
        return None
    body += width
    return body, body + int.from_bytes(data[body - width : body], "big")


def _joined(kind: int, payloads: list[bytes]) -> list[bytes]:
    length = sum(map(len, payloads))
    if length < _LENGTH_IN_2:
        return [bytes((kind, length)), *payloads]
    if length < 1 << 16:
        return [bytes((kind, _LENGTH_IN_2)), length.to_bytes(2, "big"), *payloads]
    return [bytes((kind, _LENGTH_IN_8)), length.to_bytes(8, "big"), *payloads]
