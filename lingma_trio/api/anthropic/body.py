"""A message in one piece: the events of one answer folded into a JSON body.

Knows Anthropic's `message`; must not know HTTP, the clock or where events come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.anthropic.answer_blocks import AnswerBlocks
from lingma_trio.api.anthropic.stop import stop_fields
from lingma_trio.api.anthropic.usage import usage_fields
from lingma_trio.api.json_text import encodable, encode
from lingma_trio.api.whole_body import WholeBody

if TYPE_CHECKING:
    from lingma_trio.turns import FinishReason, ToolCall, Usage


class MessageBody(WholeBody):
    """One answer as a `message` object; an `Encoder` that hands out nothing until `finish`.

    `thinking` says whether reasoning is shown. Holds the whole answer in memory until then.
    """

    __slots__ = ("_blocks", "_id", "_model", "_thinking")

    def __init__(self, *, id: str, model: str, thinking: bool) -> None:  # noqa: A002
        super().__init__()
        self._id = encodable(id)
        self._model = encodable(model)
        self._thinking = thinking
        self._blocks = AnswerBlocks()

    def text(self, text: str) -> bytes:
        """Take more of the answer's text; nothing is to be sent yet."""
        self._require_open()
        self._blocks.add("text", text)
        return b""

    def thought(self, text: str) -> bytes:
        """Take more of the model's reasoning; nothing is to be sent yet."""
        self._require_open()
        if self._thinking:
            self._blocks.add("thinking", text)
        return b""

    def replaced(self, text: str) -> bytes:
        """Forget the answer's text so far and take `text` in its place; nothing is to be sent yet."""
        self._require_open()
        self._blocks.replace(text)
        return b""

    def call(self, call: ToolCall) -> bytes:
        """Take a call of one of the client's tools; nothing is to be sent yet."""
        self._require_open()
        self._blocks.call(call)
        return b""

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the whole body, its blocks in the order in which they came."""
        self._end()
        return encode(
            {
                "id": self._id,
                "type": "message",
                "role": "assistant",
                "model": self._model,
                "content": self._blocks.listed(),
                **stop_fields(reason, stop_sequence),
                "usage": usage_fields(usage.prompt_tokens, usage.answer_tokens, usage.thought_tokens),
            }
        )

    def turn(self) -> bytes:
        """Return the answer as the turn that a client would send back, as JSON."""
        return self._blocks.turn()
