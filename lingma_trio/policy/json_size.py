"""How much a JSON text will take to read, told from its bytes before anything reads it.

The reader is C code that keeps the interpreter until it is done: 12 MB of `[],` once held everybody up for 1.7 s, and
20 MB grew to 652 MB. Bounds that look at the values would come too late for that.

Nesting needs no count: the reader itself refuses it beyond 200 levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_VALUES = 200_000
"""Values in a text. They take 50 ms to read at the most, and 40 MB. A conversation of ten thousand messages with calls
and results has about 100,000."""

MAX_DIGITS = 2 * 1024 * 1024
"""Characters of numbers in a text, for reading a long number takes the square of its digits."""

SLICE = 256 * 1024  # bytes worked on at once, so that nothing here keeps the interpreter for longer than 2 ms


def excess(text: bytes) -> str:
    """Return what a JSON text has too much of to be read, or the empty string.

    That is more than MAX_VALUES values, or MAX_DIGITS characters of numbers. What is no JSON may pass: the reader stops
    at its first fault, up to which the counts hold.
    """
    if len(text) <= MAX_VALUES or _is_small_at_a_glance(text):
        return ""
    values = digits = 0
    for outside in outside_texts(text):
        values += most_values(outside)
        digits += len(outside.translate(None, b" \t\r\n[]{},:"))
        if values > MAX_VALUES:
            return f"more than {MAX_VALUES} JSON values"
        if digits > MAX_DIGITS:
            return f"more than {MAX_DIGITS} characters of numbers"
    return ""


def most_values(text: bytes) -> int:
    """Return a bound on the values there: one more follows each comma, and at most one each opening bracket."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def outside_texts(body: bytes, *, size: int = SLICE) -> Iterator[bytes]:
    """Yield what stands outside of texts, for each slice of `size` bytes.

    Escapes are taken out first, pairs of backslashes before escaped quotes, so that every quote left begins or ends a
    text. What the end of a slice cuts off of an escape goes on to the next.
    """
    cut = b""
    within = False
    for start in range(0, len(body), size):
        piece = (cut + body[start : start + size]).replace(b"\\\\", b"")
        cut = b"\\" if piece.endswith(b"\\") else b""
        parts = piece.removesuffix(b"\\").replace(b'\\"', b"").split(b'"')
        yield b"".join(parts[within::2])
        within ^= len(parts) % 2 == 0


def _is_small_at_a_glance(body: bytes) -> bool:
    """Whether there is too little of what makes values and numbers, even if none of it were within texts."""
    digits = len(body) - len(body.translate(None, b"0123456789"))
    return digits <= MAX_DIGITS and most_values(body) <= MAX_VALUES
