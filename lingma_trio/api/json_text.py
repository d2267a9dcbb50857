"""Values as JSON in the form that every surface can put on the wire.

Knows JSON only; must not know whose fields the values are.
"""

from __future__ import annotations

import json

from pydantic_core import PydanticSerializationError, to_json

_LINE_SEPARATOR = b"\xe2\x80\xa8"
_PARAGRAPH_SEPARATOR = b"\xe2\x80\xa9"
_NEXT_LINE = b"\xc2\x85"


def encodable(text: str) -> str:
    """Return `text` with every lone surrogate, which UTF-8 has no bytes for, replaced by a question mark."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def encode_text(text: str) -> bytes:
    """Return `text` as a JSON string that holds no line break in any reading; never raises.

    U+0085, U+2028 and U+2029 are escaped although JSON allows them raw: clients that split an event stream with a
    Unicode-aware `splitlines` would cut the event in two. Lone surrogates become question marks.
    """
    try:
        encoded = to_json(text)
    except PydanticSerializationError:
        encoded = to_json(encodable(text))
    return encoded if text.isascii() or not _has_breaks(text) else _on_one_line(encoded)


def encode(value: object) -> bytes:
    """Return `value`, plain JSON data without lone surrogates, as JSON that holds no line break in any reading.

    A number beyond the range of a float, which a client's JSON may hold, becomes null.
    """
    encoded = to_json(value, inf_nan_mode="null")
    # One character is found in text many times as fast as its bytes are in bytes, and nearly no answer has any.
    return encoded if encoded.isascii() or not _has_breaks(encoded.decode()) else _on_one_line(encoded)


def canonical(value: object) -> str:
    """Return `value`, as JSON was parsed into it, as JSON text that the order of its keys does not change.

    The text is for comparing. A number beyond the range of a float stands in it as `Infinity`, which is no JSON.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _has_breaks(text: str) -> bool:
    return "\u2028" in text or "\u2029" in text or "\x85" in text


def _on_one_line(encoded: bytes) -> bytes:
    return (
        encoded.replace(_LINE_SEPARATOR, rb"\u2028")
        .replace(_PARAGRAPH_SEPARATOR, rb"\u2029")
        .replace(_NEXT_LINE, rb"\u0085")
    )
