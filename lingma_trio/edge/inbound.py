"""What a client sends on one connection: heads and bodies, one behind the other.

Sans-IO. Bytes go in as they come, heads and pieces of bodies come out; a piece of a body whose length is known is the
very bytes that came. h11 reads the heads, and the framing of bodies in chunks.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import h11

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.head import END, Head, Unacceptable, read_head

FREE_CHUNKS: Final = 1024
CHUNK_SIZE: Final = 256
"""Bytes that chunks have on the average after FREE_CHUNKS of them: each costs what a kilobyte does, however small."""

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Inbound:
    """One connection's bytes. `complete` says whether the whole body of the request that was read last has come."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._unread = bytearray()
        self._searched = 0
        self._pieces: deque[bytes] = deque()
        self._left = 0
        self._reader: h11.Connection | None = None
        self._chunks = 0
        self._size = 0
        self.waiting = 0

    def __repr__(self) -> str:
        return f"<Inbound waiting={self.waiting} unread={len(self._unread)} complete={self.complete}>"

    @property
    def complete(self) -> bool:
        """Whether nothing of the body is still to come."""
        return not self._left and self._reader is None

    @property
    def ahead(self) -> int:
        """Bytes that came behind the request: a next one's, or the beginning of one."""
        return len(self._unread)

    def feed(self, data: bytes) -> None:
        """Take what came. Raises `Unacceptable` for a body whose framing is none."""
        if self._left:
            piece = data if len(data) <= self._left else data[: self._left]
            self._left -= len(piece)
            self._add(piece)
            if len(piece) < len(data):
                self._unread += data[len(piece) :]
        elif self._reader is not None:
            self._reader.receive_data(data)
            self._read_chunks(self._reader)
        else:
            self._unread += data

    def next_head(self) -> Head | None:
        """The next request, once the one before is complete and taken; None while its head is not whole.

        Raises `Unacceptable` for what is no request.
        """
        unread = self._unread
        if unread.startswith(b"\r"):
            self._pass_over_empty_lines()
        end = unread.find(END, max(0, self._searched - len(END) + 1))
        if max(end, 0) > self._bounds.head_size or (end < 0 and len(unread) > self._bounds.head_size):
            raise Unacceptable(431, f"The request's head is larger than {self._bounds.head_size} bytes.")
        if end < 0:
            self._check_beginning()
            self._searched = len(unread)
            return None
        raw = bytes(unread[: end + len(END)])
        rest = bytes(unread[end + len(END) :])
        self._unread = bytearray()
        self._searched = 0
        head, reader = read_head(raw, most_fields=self._bounds.fields)
        self._chunks = self._size = 0
        if head.length is None:
            self._reader = reader
        else:
            self._left = head.length
        if rest:
            self.feed(rest)
        return head

    def take(self) -> bytes:
        """The next piece of the body; empty where none has come."""
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        self.waiting -= len(piece)
        return piece

    def _pass_over_empty_lines(self) -> None:
        """RFC 9112, section 2.2: a client may send some between two requests."""
        unread = self._unread
        end = 0
        while unread.startswith(b"\r\n", end):
            end += 2
        del unread[:end]
        self._searched = 0

    def _add(self, piece: bytes) -> None:
        if piece:
            self._pieces.append(piece)
            self.waiting += len(piece)

    def _check_beginning(self) -> None:
        """See at once what a whole head would be refused for, where its end would never be found."""
        unread = self._unread
        if unread and unread[0] not in _TOKEN and unread != b"\r":
            raise Unacceptable(400, "This is no HTTP request.")
        new = unread[max(0, self._searched - 1) :]
        if new.count(b"\n") != new.count(b"\r\n") + new.startswith(b"\n"):
            raise Unacceptable(400, "A line of the request's head ends without CR LF.")

    def _read_chunks(self, reader: h11.Connection) -> None:
        try:
            while isinstance(event := reader.next_event(), h11.Data):
                self._chunks += 1
                self._size += len(event.data)
                if self._chunks > FREE_CHUNKS + self._size // CHUNK_SIZE:
                    raise Unacceptable(400, "The request's body comes in chunks that are too small; send larger ones.")
                self._add(bytes(event.data))
        except h11.RemoteProtocolError as fault:
            raise Unacceptable(fault.error_status_hint, f"The body is framed by no rule: {fault}.") from None
        if isinstance(event, h11.EndOfMessage):
            self._reader = None
            self._unread += reader.trailing_data[0]
