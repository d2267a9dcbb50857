"""A message in one piece: the events of one answer folded into a JSON body.

Knows Anthropic's `message`; must not know HTTP, the clock or where events come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from pydantic_core import from_json

from lingma_trio.api.anthropic.stop import stop_fields
from lingma_trio.api.anthropic.usage import usage_fields
from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.json_text import encodable, encode
from lingma_trio.turns import ToolCall

if TYPE_CHECKING:
    from lingma_trio.errors import GatewayError
    from lingma_trio.turns import FinishReason, Usage

SIGNATURE = "bGluZ21hLXRyaW8="
"""What signs a block of reasoning. Clients only want one to be there and send it back; nobody here verifies it."""

_Piece: TypeAlias = tuple[Literal["text", "thinking"], list[str]]


class MessageBody:
    """One answer as a `message` object; an `Encoder` that hands out nothing until `finish`.

    `thinking` says whether reasoning is shown. Holds the whole answer in memory until then.
    """

    __slots__ = ("_content", "_id", "_model", "_thinking", "started")

    keepalive: ClassVar[bytes] = b""
    fails_whole: ClassVar[bool] = False

    def __init__(self, *, id: str, model: str, thinking: bool) -> None:  # noqa: A002
        self._id = encodable(id)
        self._model = encodable(model)
        self._thinking = thinking
        self._content: list[_Piece | ToolCall] = []
        self.started = False

    def start(self) -> bytes:
        """Raise `EncoderError` always: a body has no beginning that could be sent ahead of its end."""
        raise EncoderError("a body is sent in one piece")

    def text(self, text: str) -> bytes:
        """Take more of the answer's text; nothing is to be sent yet."""
        self._require_open()
        self._add("text", text)
        return b""

    def thought(self, text: str) -> bytes:
        """Take more of the model's reasoning; nothing is to be sent yet."""
        self._require_open()
        if self._thinking:
            self._add("thinking", text)
        return b""

    def replaced(self, text: str) -> bytes:
        """Forget the answer's text so far and take `text` in its place; nothing is to be sent yet."""
        self._require_open()
        held, self._content = self._content, []
        for block in held:
            if isinstance(block, ToolCall):
                self._content.append(block)
            elif block[0] != "text":
                self._add(block[0], "".join(block[1]))
        self._add("text", text)
        return b""

    def call(self, call: ToolCall) -> bytes:
        """Take a call of one of the client's tools; nothing is to be sent yet."""
        self._require_open()
        self._content.append(call)
        return b""

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the whole body, its blocks in the order in which they came."""
        self._require_open()
        self.started = True
        return encode(
            {
                "id": self._id,
                "type": "message",
                "role": "assistant",
                "model": self._model,
                "content": [_block(block) for block in self._content],
                **stop_fields(reason, stop_sequence),
                "usage": usage_fields(usage.prompt_tokens, usage.answer_tokens, usage.thought_tokens),
            }
        )

    def fail(self, error: GatewayError) -> bytes:
        """Raise `EncoderError` always: no bytes are out before the end, so a fault is a response of its own."""
        raise EncoderError("a body cannot tell of a fault") from error

    def _add(self, kind: Literal["text", "thinking"], text: str) -> None:
        """Append to the last block if it is of that kind, else to a new one; no text makes no block."""
        if not text:
            return
        last = self._content[-1] if self._content else None
        if last is None or isinstance(last, ToolCall) or last[0] != kind:
            last = (kind, [])
            self._content.append(last)
        last[1].append(text)

    def _require_open(self) -> None:
        if self.started:
            raise EncoderError("an event after the body was handed out")


def _block(block: _Piece | ToolCall) -> dict[str, object]:
    if isinstance(block, ToolCall):
        given = from_json(block.arguments)
        return {"type": "tool_use", "id": encodable(block.id), "name": encodable(block.name), "input": given}
    kind, pieces = block
    text = encodable("".join(pieces))
    if kind == "text":
        return {"type": "text", "text": text}
    return {"type": "thinking", "thinking": text, "signature": SIGNATURE}
