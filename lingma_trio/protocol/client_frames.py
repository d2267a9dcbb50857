"""What a client sends on a WebSocket: masked frames (RFC 6455, 5.2), those of text in pieces.

A library makes them in one go, in copies of copies: a question of 20 MB took 180 ms of one task's step. Knows frames;
must not know what they carry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.protocol.frame_head import CLOSE, MASKED, PONG, TEXT, frame_head

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 64 * 1024
"""Bytes masked at once: as many as the processor's cache takes in its stride. A multiple of the key's length."""

KEY_SIZE = 4

NORMAL = (1000).to_bytes(2, "big")
"""The code of a goodbye after which nothing was left to be said."""

_PROTOCOL_ERROR = (1002).to_bytes(2, "big")
_CODE_SIZE = 2
_CODES = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""What may be said in a goodbye: what is registered, and what programs agree on (RFC 6455, 7.4)."""


def text_frame(text: bytes, key: bytes) -> Iterator[bytes]:
    """Yield the frame of a `text` in UTF-8, masked with KEY_SIZE random bytes as `key`: head and first piece, rest."""
    head = frame_head(TEXT, len(text), MASKED) + key
    for start in range(0, max(1, len(text)), PIECE):
        yield head + _masked(text[start : start + PIECE], key)
        head = b""


def pong_frame(said: bytes, key: bytes) -> bytes:
    """Return the answer to a ping that `said` this, which is no longer than a ping may be."""
    return frame_head(PONG, len(said), MASKED) + key + _masked(said, key)


def close_frame(said: bytes, key: bytes) -> bytes:
    """Return a goodbye that says this: a code and its reason, as they were said to us or as `NORMAL`."""
    return frame_head(CLOSE, len(said), MASKED) + key + _masked(said, key)


def answer_to(goodbye: bytes) -> bytes:
    """Return what the reply to a goodbye that said this says: the same, or that it said what no goodbye may say."""
    code, reason = int.from_bytes(goodbye[:_CODE_SIZE], "big"), goodbye[_CODE_SIZE:]
    try:
        reason.decode()
    except UnicodeDecodeError:
        return _PROTOCOL_ERROR
    return goodbye if not goodbye or any(code in codes for codes in _CODES) else _PROTOCOL_ERROR


def _masked(piece: bytes, key: bytes) -> bytes:
    """The piece with the key laid over it again and again, in the arithmetic of large numbers."""
    mask = int.from_bytes((key * (len(piece) // KEY_SIZE + 1))[: len(piece)], "little")
    return (int.from_bytes(piece, "little") ^ mask).to_bytes(len(piece), "little")
