"""The framing of a body in chunks.

Sans-IO. Takes less than h11 does, which lets lines end as they like in trailers and in what stands behind a chunk's
size: where two readers see two ends of a body, the second begins a request that the first never saw. Pieces of the body
are the very bytes that came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from lingma_trio.edge.head import ONCE, Unacceptable

FREE_CHUNKS: Final = 1024
CHUNK_SIZE: Final = 256
"""Bytes that chunks have on the average after FREE_CHUNKS of them: each costs what a kilobyte does, however small."""

MOST_LINE: Final = 4096
MOST_TRAILERS: Final = 16 * 1024
"""Bytes of one line of the framing, and of all that follows the last chunk; none of it is of use to anybody here."""

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?[\t ]*\r\n")
_TRAILER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*\r\n")


class _Line(Enum):
    """What the next line of the framing is."""

    SIZE = auto()
    END_OF_CHUNK = auto()
    TRAILER = auto()


class Chunks:
    """One body. `complete` says whether its end has come, `rest` is what came behind that."""

    def __init__(self) -> None:
        self._next = _Line.SIZE
        self._line = b""
        self._left = 0
        self._count = 0
        self._size = 0
        self._trailers = 0
        self.complete = False
        self.rest = b""

    def __repr__(self) -> str:
        return f"<Chunks {self._next.name} count={self._count} size={self._size} complete={self.complete}>"

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces of the body in `data`. Raises `Unacceptable` for what is no framing, or too much of it."""
        at = 0
        while at < len(data) and not self.complete:
            if self._left:
                piece = data[at : at + self._left]
                self._left -= len(piece)
                at += len(piece)
                yield piece
                continue
            end = data.find(b"\n", at) + 1 or len(data)
            self._line += data[at:end]
            at = end
            if len(self._line) > MOST_LINE:
                raise Unacceptable(400, "A line between the chunks of the request's body is too long.")
            if self._line.endswith(b"\n"):
                line, self._line = self._line, b""
                self._take(line)
        if self.complete:
            self.rest += data[at:]

    def _take(self, line: bytes) -> None:
        if self._next is _Line.SIZE:
            self._begin(line)
        elif self._next is _Line.TRAILER:
            self._end(line)
        elif line == b"\r\n":
            self._next = _Line.SIZE
        else:
            raise Unacceptable(400, "A chunk of the request's body does not end where it should.")

    def _begin(self, line: bytes) -> None:
        """Begin a chunk; the one without bytes is the last."""
        if (found := _SIZE.fullmatch(line)) is None:
            raise Unacceptable(400, "The request's body is framed by no rule: a chunk begins without a size.")
        self._left = int(found[1], 16)
        self._next = _Line.END_OF_CHUNK if self._left else _Line.TRAILER
        self._count += 1
        self._size += self._left
        if self._count > FREE_CHUNKS + self._size // CHUNK_SIZE:
            raise Unacceptable(400, "The request's body comes in chunks that are too small; send larger ones.")

    def _end(self, line: bytes) -> None:
        """Pass over what may follow the last chunk, up to an empty line."""
        if line == b"\r\n":
            self.complete = True
            return
        self._trailers += len(line)
        found = _TRAILER.fullmatch(line)
        if found is None or found[1].lower() in ONCE:
            raise Unacceptable(400, "What follows the last chunk of the request's body is no trailer.")
        if self._trailers > MOST_TRAILERS:
            raise Unacceptable(431, f"The request has more than {MOST_TRAILERS} bytes of trailers.")
