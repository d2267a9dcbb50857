"""Bytes that two things share only where they are equal, and digests of them."""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import Final

DIGEST_BYTES: Final = 32
"""Length of a digest: no two things share one, not even by intent."""

LENGTH_BYTES: Final = 8

_NOTHING: Final = blake2b(digest_size=DIGEST_BYTES)
"""To be copied, which takes half the time of making one; a short answer needs thirteen."""


def digest(data: bytes) -> bytes:
    """The digest of one turn, or of a part of one."""
    hasher = _NOTHING.copy()
    hasher.update(data)
    return hasher.digest()


def pack(*fields: str) -> bytes:
    """The fields behind their number and the length of each: different fields never give the same bytes."""
    # All lengths in one go, each LENGTH_BYTES long: a conversation has some hundred thousand.
    lengths = array("Q", (len(fields), *map(len, fields))).tobytes()
    return lengths + "".join(fields).encode("utf-8", "surrogatepass")


def encode(text: str) -> bytes:
    """UTF-8 that also takes half a surrogate pair, which JSON can bring."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """What `encode` encoded."""
    return data.decode("utf-8", "surrogatepass")
