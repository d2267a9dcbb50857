"""What a client reads from a WebSocket once hands are shaken: the bytes in its messages, and what control frames say.

Lingma's messages carry their own lengths (`framing`), so it does not matter how many of them one WebSocket message
holds, nor where it ends: what its frames carry is one stream of bytes. A library hands over one message at a time, each
at the price of a turn of the scheduler. Knows the frames a server sends (RFC 6455, 5.2). Must not know what they carry.
"""

from __future__ import annotations

from lingma_trio.errors import ProtocolFault

_WHOLE_TEXT = 0x81  # as nearly every frame begins
_FIN = 0x80
_CONTINUATION = 0x0
_TEXT = 0x1
_BINARY = 0x2
_CLOSE = 0x8
_PING = 0x9
_PONG = 0xA
_KNOWN = frozenset((_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG))
_CONTROL = 0x8  # this bit is set in the kinds of control frames
_WIDTH_2 = 2
_WIDTH_8 = 8
_LENGTH_IN_2 = 126  # the length follows in two bytes
_LENGTH_IN_8 = 127  # or in eight; with the mask bit set it would be larger still, and no server masks
_CODE_SIZE = 2
_NOT_SHORTEST = "a WebSocket frame whose length is not written as it has to be"


class ServerFrames:
    """The receiving half of a client's WebSocket, without the socket. No extension is spoken.

    `ping` is what the last ping asks to have said back, for whoever answers it to take. `goodbye` is what the other
    side's close frame carries, once it came; nothing is read after that.
    """

    def __init__(self) -> None:
        self._held = b""
        self._left = 0  # of a frame whose beginning is handed on
        self._open = False  # a message has begun, and its last frame has not come
        self._fault: str | None = None
        self.ping: bytes | None = None
        self.goodbye: bytes | None = None

    def __repr__(self) -> str:
        return f"<ServerFrames held={len(self._held)} left={self._left} goodbye={self.goodbye!r} {self._fault}>"

    @property
    def farewell(self) -> str:
        """The other side's goodbye in words: its code, and the reason where it gave one."""
        said = self.goodbye or b""
        code = str(int.from_bytes(said[:_CODE_SIZE], "big")) if len(said) >= _CODE_SIZE else "without a code"
        return f"{code} {said[_CODE_SIZE:].decode('utf-8', 'replace')}".strip()

    def feed(self, data: bytes) -> bytes:
        """Take what was read, in any cut; returns what it carries for the reader of the messages, as far as it came.

        Raises ProtocolFault for what no server may send, and on every call after that. Whether text is UTF-8 is left to
        who reads the JSON in it.
        """
        if self._fault is not None:
            raise ProtocolFault(self._fault)
        if self._left >= len(data):
            self._left -= len(data)
            return data
        carried = [data[: self._left]] if self._left else []
        data = self._held + data[self._left :]
        self._left = 0
        try:
            self._held = self._cut(data, carried)
        except ProtocolFault as fault:
            self._fault = str(fault)
            raise
        return carried[0] if len(carried) == 1 else b"".join(carried)

    def _cut(self, data: bytes, carried: list[bytes]) -> bytes:
        """Add what the frames in `data` carry; returns the beginning of one that has to wait for more."""
        start, size = 0, len(data)
        while size >= start + 2 and self.goodbye is None:
            first, length = data[start], data[start + 1]
            body = start + 2
            if length >= _LENGTH_IN_2:
                body += _WIDTH_2 if length == _LENGTH_IN_2 else _width_8(length)
                if size < body:
                    break
                short = length == _LENGTH_IN_2
                length = data[start + 2] << 8 | data[start + 3] if short else _length_in_8(data[start + 2 : body])
                if length < _LENGTH_IN_2:
                    raise ProtocolFault(_NOT_SHORTEST)
            if first != _WHOLE_TEXT or self._open:
                self._judge(first, length)
            end = body + length
            if not first & _CONTROL:
                carried.append(data[body:end])
                if end > size:
                    self._left = end - size
            elif end > size:
                break
            else:
                self._heed(first & ~_FIN, data[body:end])
            start = end
        return data[start:] if self.goodbye is None else b""

    def _judge(self, first: int, length: int) -> None:
        """Raise `ProtocolFault` for a frame that may not come here; take note whether a message is open after it."""
        kind = first & ~_FIN
        final = first >= _FIN
        if kind not in _KNOWN:
            raise ProtocolFault(f"a WebSocket frame that begins with {first:#x}, which nobody agreed on")
        if kind & _CONTROL:
            if not final or length >= _LENGTH_IN_2:
                raise ProtocolFault("a WebSocket control frame in pieces, or too long for one")
        elif self._open != (kind == _CONTINUATION):
            raise ProtocolFault("a WebSocket message inside another, or one without its beginning")
        else:
            self._open = not final

    def _heed(self, kind: int, said: bytes) -> None:
        if kind == _PING:
            self.ping = said
        elif kind == _CLOSE:
            self.goodbye = said


def _width_8(length: int) -> int:
    if length > _LENGTH_IN_8:
        raise ProtocolFault("a masked WebSocket frame, which only clients send")
    return _WIDTH_8


def _length_in_8(written: bytes) -> int:
    length = int.from_bytes(written, "big")
    if length < 1 << 16 or length >> 63:
        raise ProtocolFault(_NOT_SHORTEST)
    return length
