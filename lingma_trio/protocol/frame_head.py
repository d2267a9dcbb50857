"""How a whole message's WebSocket frame begins (RFC 6455, 5.2), whichever side sends it.

A library makes a frame in copies of what it carries, by way of an object for each. Knows frames; must not know what
they carry, nor masks.
"""

from __future__ import annotations

TEXT = 0x81
BINARY = 0x82
CLOSE = 0x88
PONG = 0x8A
MASKED = 0x80

_LENGTH_IN_2 = 126  # the length follows in two bytes
_LENGTH_IN_8 = 127  # or in eight


def frame_head(kind: int, length: int, mask: int = 0) -> bytes:
    """Return the head of a frame of `length` bytes, up to the key that follows where `mask` is MASKED."""
    if length < _LENGTH_IN_2:
        return bytes((kind, mask | length))
    if length < 1 << 16:
        return bytes((kind, mask | _LENGTH_IN_2, length >> 8, length & 0xFF))
    return bytes((kind, mask | _LENGTH_IN_8)) + length.to_bytes(8, "big")
