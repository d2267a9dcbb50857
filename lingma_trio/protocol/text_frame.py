"""A WebSocket message as a client sends it: one masked frame of text (RFC 6455, 5.2), in pieces.

A library makes it in one go, in copies of copies: a question of 20 MB took 180 ms of one task's step. Knows frames;
must not know what they carry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 64 * 1024
"""Bytes masked at once: as many as the processor's cache takes in its stride. A multiple of the key's length."""

KEY_SIZE = 4
_TEXT = 0x81  # a whole message of text
_MASKED = 0x80
_LENGTH_IN_2 = 126  # the length follows in two bytes
_LENGTH_IN_8 = 127  # or in eight


def text_frame(text: bytes, key: bytes) -> Iterator[bytes]:
    """Yield the frame of a `text` in UTF-8, masked with KEY_SIZE random bytes as `key`: head and first piece, rest."""
    head = _head(len(text)) + key
    for start in range(0, max(1, len(text)), PIECE):
        yield head + _masked(text[start : start + PIECE], key)
        head = b""


def _head(length: int) -> bytes:
    if length < _LENGTH_IN_2:
        return bytes((_TEXT, _MASKED | length))
    if length < 1 << 16:
        return bytes((_TEXT, _MASKED | _LENGTH_IN_2)) + length.to_bytes(2, "big")
    return bytes((_TEXT, _MASKED | _LENGTH_IN_8)) + length.to_bytes(8, "big")


def _masked(piece: bytes, key: bytes) -> bytes:
    """The piece with the key laid over it again and again, in the arithmetic of large numbers."""
    mask = int.from_bytes((key * (len(piece) // KEY_SIZE + 1))[: len(piece)], "little")
    return (int.from_bytes(piece, "little") ^ mask).to_bytes(len(piece), "little")
