"""A streamed message: the events of one answer as Anthropic's server-sent events.

Knows Anthropic's events and the order that clients rely on; must not know HTTP, the clock or where events come from.

Every event has a name besides its data, since the official clients skip data without one, and both events that tell
of usage have it, since their helpers break without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from lingma_trio.api.anthropic.answer_blocks import SIGNATURE, AnswerBlocks
from lingma_trio.api.anthropic.envelope import error_body
from lingma_trio.api.anthropic.stop import stop_fields
from lingma_trio.api.anthropic.usage import usage_fields
from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.json_text import encodable, encode, encode_text
from lingma_trio.api.streamed import Streamed

if TYPE_CHECKING:
    from lingma_trio.errors import GatewayError
    from lingma_trio.turns import FinishReason, ToolCall, Usage

KEEPALIVE = b'event: ping\ndata: {"type":"ping"}\n\n'
"""What Anthropic itself sends into a silence, at any time, also before the first event."""

_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":'
_OPENINGS: dict[str, dict[str, object]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
_HEADS = {
    "text": _DELTA + b'{"type":"text_delta","text":',
    "thinking": _DELTA + b'{"type":"thinking_delta","thinking":',
}
_TAIL = b"}}\n\n"


class MessageStream(Streamed):
    """One answer as Anthropic's events; an `Encoder`.

    `prompt_tokens` stands in the first event, and `thinking` says whether reasoning is shown: where it is not, it makes
    no event at all. Text and reasoning are blocks of their own, a new one wherever the kind changes, and a call is a
    block with all of its input in one delta. Blocks are closed before the next one opens. `keep` holds the answer in
    memory, for `turn`.

    The first event goes out with whatever comes first, or by `start` ahead of everything. A delta of text is constant
    bytes round one JSON string, so it costs about what encoding its text costs.
    """

    __slots__ = (
        "_blocks",
        "_head",
        "_id",
        "_index",
        "_model",
        "_open",
        "_prompt_tokens",
        "_thinking",
    )

    keepalive: ClassVar[bytes] = KEEPALIVE
    fails_whole: ClassVar[bool] = True

    def __init__(self, *, id: str, model: str, prompt_tokens: int, thinking: bool, keep: bool = False) -> None:  # noqa: A002
        super().__init__()
        self._id = encodable(id)
        self._model = encodable(model)
        self._prompt_tokens = prompt_tokens
        self._thinking = thinking
        self._blocks = AnswerBlocks() if keep else None
        self._index = -1  # of the newest block
        self._open: Literal["", "text", "thinking"] = ""
        self._head = b""  # of a delta of the open block

    def start(self) -> bytes:
        """Return the first event, to be sent ahead of all others; raises `EncoderError` once the stream has started."""
        self._require_unstarted()
        return self._opening()

    def text(self, text: str) -> bytes:
        """Return the event of one text delta, behind what has to come before it; nothing for no text."""
        if self._ended:
            raise EncoderError("text after the end of the stream")
        if not text:
            return b""
        if self._blocks is not None:
            self._blocks.add("text", text)
        if self._open == "text":
            return b"".join((self._head, encode_text(text), _TAIL))
        self._spoken = True
        return b"".join((self._enter("text"), self._head, encode_text(text), _TAIL))

    def thought(self, text: str) -> bytes:
        """Return the event of one reasoning delta, behind what has to come before it; nothing where it is not shown."""
        if self._ended:
            raise EncoderError("reasoning after the end of the stream")
        if not text or not self._thinking:
            return b""
        if self._open == "thinking":
            return b"".join((self._head, encode_text(text), _TAIL))
        return b"".join((self._enter("thinking"), self._head, encode_text(text), _TAIL))

    def call(self, call: ToolCall) -> bytes:
        """Return the whole block of a call: its beginning, which names it, its input as JSON text, and its end."""
        self._require_open()
        if self._blocks is not None:
            self._blocks.call(call)
        before = self._opening() + self._close()
        self._index += 1
        named = {"type": "tool_use", "id": encodable(call.id), "name": encodable(call.name), "input": {}}
        given = {"type": "input_json_delta", "partial_json": encodable(call.arguments)}
        return b"".join(
            (
                before,
                _event("content_block_start", index=self._index, content_block=named),
                _event("content_block_delta", index=self._index, delta=given),
                _event("content_block_stop", index=self._index),
            )
        )

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the end of a complete answer: the end of its last block, why it ended with the usage, and its end."""
        self._require_open()
        before = self._opening() + self._close()
        self._ended = True
        counts = usage_fields(usage.prompt_tokens, usage.answer_tokens, usage.thought_tokens)
        delta = stop_fields(reason, stop_sequence)
        return before + _event("message_delta", delta=delta, usage=counts) + _event("message_stop")

    def turn(self) -> bytes:
        """Return the answer, without its reasoning, as the turn that a client would send back, as JSON.

        Raises `EncoderError` where it was not to be kept.
        """
        if self._blocks is None:
            raise EncoderError("nothing was kept of the answer")
        return self._blocks.turn()

    def fail(self, error: GatewayError) -> bytes:
        """Return the event that tells of `error` and ends the stream: every client takes it for a failure.

        Raises `EncoderError` before the start, when a proper status can still be sent, and after the end.
        """
        self._break_off()
        return b"event: error\ndata: " + error_body(error) + b"\n\n"

    def _enter(self, kind: Literal["text", "thinking"]) -> bytes:
        """Open a block of that kind; returns what has to be sent before its first delta."""
        before = self._opening() + self._close()
        self._index += 1
        self._open = kind
        self._head = _HEADS[kind] % self._index
        return before + _event("content_block_start", index=self._index, content_block=_OPENINGS[kind])

    def _close(self) -> bytes:
        """End the open block, if there is one; reasoning is signed at its end."""
        kind, self._open = self._open, ""
        if not kind:
            return b""
        end = _event("content_block_stop", index=self._index)
        if kind == "text":
            return end
        signed = {"type": "signature_delta", "signature": SIGNATURE}
        return _event("content_block_delta", index=self._index, delta=signed) + end

    def _opening(self) -> bytes:
        if self.started:
            return b""
        self.started = True
        message: dict[str, object] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_fields(self._prompt_tokens, 0),
        }
        return _event("message_start", message=message)


def _event(name: str, **fields: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + encode({"type": name, **fields}) + b"\n\n"
