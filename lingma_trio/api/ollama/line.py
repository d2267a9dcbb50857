"""One line of an answer, or the whole of it: where Ollama's two kinds of answers have text, reasoning and calls.

Knows Ollama's objects; must not know in which order they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic_core import from_json

from lingma_trio.api.json_text import encodable, encode, encode_text

if TYPE_CHECKING:
    from lingma_trio.turns import ToolCall

OPEN: Final = b'"done":false'
"""What a line says that is not the last."""


class Shape(NamedTuple):
    """What stands in front of an answer's text, and behind it and what lies beside it."""

    before: bytes
    behind: bytes


CHAT: Final = Shape(b'"message":{"role":"assistant","content":', b"}")
TEXT: Final = Shape(b'"response":', b"")


class Line:
    """Writes the lines of one answer, each with its model and when it was asked for, in seconds since the epoch."""

    __slots__ = ("_behind", "_head")

    def __init__(self, shape: Shape, *, model: str, created: int) -> None:
        common = encode({"model": encodable(model), "created_at": moment(created)})
        self._head = common[:-1] + b"," + shape.before
        self._behind = shape.behind + b","

    def write(self, text: str, ending: bytes, *, thinking: str = "", calls: bytes = b"") -> bytes:
        """Return the object with this text, and with reasoning and calls only where there are any.

        `calls` is JSON, and `ending` what the object ends with, both as they are.
        """
        parts = [self._head, encode_text(text)]
        if thinking:
            parts += (b',"thinking":', encode_text(thinking))
        if calls:
            parts += (b',"tool_calls":', calls)
        return b"".join((*parts, self._behind, ending, b"}"))


def called(calls: Sequence[ToolCall], *, first: int = 0) -> bytes:
    """Return calls as JSON, numbered from `first` on; nothing for none."""
    given = [
        {
            "id": encodable(call.id),
            "function": {
                "index": index,
                "name": encodable(call.name),
                "arguments": from_json(encodable(call.arguments)),
            },
        }
        for index, call in enumerate(calls, first)
    ]
    return encode(given) if given else b""


def moment(seconds: int) -> str:
    """Return seconds since the epoch as Ollama writes a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
