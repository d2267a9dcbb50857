"""The blocks of one answer: its events, folded.

Knows Anthropic's blocks of answers; must not know what stands round them.
"""

from __future__ import annotations

from io import StringIO
from typing import Literal, TypeAlias

from pydantic_core import from_json

from lingma_trio.api.json_text import encodable, encode
from lingma_trio.turns import ToolCall, text_buffer

SIGNATURE = "bGluZ21hLXRyaW8="
"""What signs a block of reasoning. Clients only want one to be there and send it back; nobody here verifies it."""

_Kind: TypeAlias = Literal["text", "thinking"]
_Piece: TypeAlias = tuple[_Kind, StringIO]


class AnswerBlocks:
    """What one answer consists of so far, in the order in which it came. Holds all of it in memory."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[_Piece | ToolCall] = []

    def add(self, kind: _Kind, text: str) -> None:
        """Append to the last block if it is of that kind, else to a new one; no text makes no block."""
        if not text:
            return
        last = self._held[-1] if self._held else None
        if last is None or isinstance(last, ToolCall) or last[0] != kind:
            last = (kind, text_buffer())
            self._held.append(last)
        last[1].write(text)

    def replace(self, text: str) -> None:
        """Forget the text so far and take `text` in its place."""
        held, self._held = self._held, []
        for block in held:
            if isinstance(block, ToolCall):
                self._held.append(block)
            elif block[0] != "text":
                self.add(block[0], block[1].getvalue())
        self.add("text", text)

    def call(self, call: ToolCall) -> None:
        """Take a call of one of the client's tools."""
        self._held.append(call)

    def listed(self) -> list[dict[str, object]]:
        """Return them as the API has them."""
        return [_block(block) for block in self._held]

    def turn(self) -> bytes:
        """Return them as the turn that a client would send back, as JSON."""
        return encode({"role": "assistant", "content": self.listed()})


def _block(block: _Piece | ToolCall) -> dict[str, object]:
    if isinstance(block, ToolCall):
        given = from_json(block.arguments)
        return {"type": "tool_use", "id": encodable(block.id), "name": encodable(block.name), "input": given}
    kind, said = block
    text = encodable(said.getvalue())
    if kind == "text":
        return {"type": "text", "text": text}
    return {"type": "thinking", "thinking": text, "signature": SIGNATURE}
