"""Says of a body that is no JSON what it is instead, in one sentence that says what to send.

Knows how bytes begin and what readers of JSON complain of; looked at only once a body could not be read.
"""

from __future__ import annotations

import codecs

_COMPRESSED = b"\x1f\x8b"
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_HALVES = ("surrogate", "unexpected end of hex escape")


def unreadable(body: bytes, reason: str) -> str:
    """Return what is wrong with `body`, of which a reader of JSON says `reason`, on one line."""
    if body.startswith(_COMPRESSED):
        return "The request body is compressed, which is not read here; send it as it is, without Content-Encoding."
    if body.startswith(codecs.BOM_UTF8):
        return (
            "The request body begins with a byte order mark (BOM), which JSON must not; send it without those 3 bytes."
        )
    if body.startswith(_WIDE) or b"\0" in body[:4]:
        return "The request body is in UTF-16 or UTF-32; send it in UTF-8."
    if any(word in reason for word in _HALVES):
        return (
            "The request body holds a lone surrogate, half of a character such as an emoji; cut no text within one,"
            f" and send both halves: {reason}."
        )
    return f"The request body must be one JSON object in UTF-8: {reason}."
