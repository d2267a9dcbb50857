"""A text with a gap as a conversation: Lingma has no words for what belongs between a beginning and an end.

Knows texts; must not know in which fields of which surface they came.
"""

from __future__ import annotations

from typing import Final

from lingma_trio.turns import Message

_FILL_IN: Final = (
    "The next message is the beginning of a text and the one after it is the end of the same text. Reply with exactly"
    " what belongs between the two and with nothing else: no explanation, no code fence, and nothing of either."
)


def to_fill_in(beginning: str, end: str) -> tuple[Message, ...]:
    """Return the messages that ask for what belongs between the two texts."""
    return (
        Message("system", _FILL_IN),
        Message("user", beginning, name="beginning"),
        Message("user", end, name="end"),
    )
