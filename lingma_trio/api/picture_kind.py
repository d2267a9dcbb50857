"""What kind of picture bytes are, told by how they begin.

Knows the kinds that models take; must not know where the bytes come from.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Final

BEGINNING: Final = 12
"""Bytes that tell the kind."""

_IN_BASE64: Final = -(-BEGINNING * 4 // 3)
_STANDARD: Final = str.maketrans("-_", "+/")  # some write base64 as it is written in addresses

_KINDS: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)


def picture_kind(data: bytes) -> str:
    """Return the media type of a picture that begins with `data`, empty for what is none."""
    return next((kind for beginning, kind in _KINDS if beginning.match(data)), "")


def kind_in_base64(text: str) -> str:
    """As `picture_kind`, of a picture in base64 without blanks; of what is no base64 it is empty."""
    beginning = text[: min(_IN_BASE64, len(text) // 4 * 4)]  # without what may lack its padding
    try:
        return picture_kind(b64decode(beginning.translate(_STANDARD), validate=True))
    except ValueError:
        return ""
