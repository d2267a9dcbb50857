"""What a client sends on one connection: heads and bodies, one behind the other.

Sans-IO. Bytes go in as they come, heads and pieces of bodies come out; a piece of a body whose length is known is the
very bytes that came.
"""

from __future__ import annotations

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.chunks import Chunks
from lingma_trio.edge.head import END, Head, Unacceptable, read_head

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Inbound:
    """One connection's bytes. `complete` says whether the whole body of the request that was read last has come."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._unread = bytearray()
        self._searched = 0
        self._pieces: list[bytes] = []
        self._left = 0
        self._chunks: Chunks | None = None
        self.waiting = 0

    def __repr__(self) -> str:
        return f"<Inbound waiting={self.waiting} unread={len(self._unread)} complete={self.complete}>"

    @property
    def complete(self) -> bool:
        """Whether nothing of the body is still to come."""
        return not self._left and self._chunks is None

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
        elif self._chunks is not None:
            self._read_chunks(self._chunks, data)
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
        head = read_head(raw, most_fields=self._bounds.fields)
        if head.length is None:
            self._chunks = Chunks()
        else:
            self._left = head.length
        if rest:
            self.feed(rest)
        return head

    def take(self) -> bytes:
        """What has come of the body since; empty where nothing has."""
        pieces, self._pieces, self.waiting = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

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

    def _read_chunks(self, chunks: Chunks, data: bytes) -> None:
        for piece in chunks.feed(data):
            self._add(piece)
        if chunks.complete:
            self._chunks = None
            self._unread += chunks.rest
