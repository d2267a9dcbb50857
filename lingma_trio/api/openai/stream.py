"""A streamed chat completion: the events of one answer as server-sent events.

Knows OpenAI's chunks and the order that clients rely on; must not know HTTP, the clock or where events come from.

Only `data:` lines and comments are ever written. The official Python client breaks on `id:`, on `retry:` and on an
event without data, and reads a stream that ends cleanly as a success whatever is missing from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lingma_trio.api.custom_tools import as_input
from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.json_text import encodable, encode, encode_text
from lingma_trio.api.openai.body import finish_reason
from lingma_trio.api.openai.envelope import error_body
from lingma_trio.api.openai.usage import usage_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lingma_trio.errors import GatewayError
    from lingma_trio.turns import FinishReason, ToolCall, Usage

KEEPALIVE = b": keep-alive\n\n"
"""A comment: the one thing that every client skips between two events, and also before the first."""

DONE = b"data: [DONE]\n\n"
"""What ends a complete stream."""


class ChatStream:
    """One answer as `chat.completion.chunk` events; an `Encoder`.

    `id` and `created`, in seconds since the epoch, stand in every chunk, as do `model` and, where `include_usage` is
    true, a `usage` that is null in all chunks but an additional last one, which has no choices. `legacy_functions`
    gives a call as `function_call`, the form before tools, in which there is one at the most. `index` is the answer's
    place among those of one response. Calls of tools that `custom` names are given with a text and not with arguments.

    The first chunk is the role alone; it goes out with whatever comes first, or by `start` ahead of everything. Empty
    text makes no chunk. A chunk of text is constant bytes round one JSON string, so a delta costs about what encoding
    its text costs.
    """

    __slots__ = (
        "_calls",
        "_close",
        "_custom",
        "_ended",
        "_envelope",
        "_head",
        "_legacy",
        "_spoken",
        "_tail",
        "_text_head",
        "_thought_head",
        "_with_usage",
        "started",
    )

    keepalive: ClassVar[bytes] = KEEPALIVE
    fails_whole: ClassVar[bool] = False

    def __init__(
        self,
        *,
        id: str,  # noqa: A002
        model: str,
        created: int,
        include_usage: bool = False,
        legacy_functions: bool = False,
        index: int = 0,
        custom: frozenset[str] = frozenset(),
    ) -> None:
        common = {"id": encodable(id), "object": "chat.completion.chunk", "created": created, "model": encodable(model)}
        self._envelope = b"data: " + encode(common)[:-1] + b',"choices":['
        self._head = self._envelope + b'{"index":%d,"delta":' % index
        self._text_head = self._head + b'{"content":'
        self._thought_head = self._head + b'{"reasoning_content":'
        self._close = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._tail = b'},"logprobs":null,"finish_reason":null}]' + self._close
        self._with_usage = include_usage
        self._legacy = legacy_functions
        self._custom = custom
        self._calls = 0
        self._spoken = False
        self._ended = False
        self.started = False

    def start(self) -> bytes:
        """Return the role chunk, to be sent before anything else; raises `EncoderError` once the stream has started."""
        if self.started:
            raise EncoderError("the stream has already started")
        return self._opening()

    def text(self, text: str) -> bytes:
        """Return the chunk of one text delta, with the role chunk before it if it is the first; nothing for no text."""
        if self._ended:
            raise EncoderError("text after the end of the stream")
        if not text:
            return b""
        self._spoken = True
        if self.started:
            return b"".join((self._text_head, encode_text(text), self._tail))
        return b"".join((self._opening(), self._text_head, encode_text(text), self._tail))

    def thought(self, text: str) -> bytes:
        """Return the chunk of one reasoning delta, after the role chunk if it is the first; nothing for no text."""
        if self._ended:
            raise EncoderError("reasoning after the end of the stream")
        if not text:
            return b""
        if self.started:
            return b"".join((self._thought_head, encode_text(text), self._tail))
        return b"".join((self._opening(), self._thought_head, encode_text(text), self._tail))

    def replaced(self, text: str) -> bytes:
        """Return the chunk that starts the answer's text afresh.

        What a stream has sent cannot be unsaid: a client that was sent text is sent a blank line and then the whole
        new text, so the answer it puts together holds both. Where no text was sent, `text` is just text.
        """
        return self.text("\n\n" + text if self._spoken else text)

    def call(self, call: ToolCall) -> bytes:
        """Return two chunks: one that names the call, which alone has its id, and one with its arguments."""
        if self._ended:
            raise EncoderError("a call after the end of the stream")
        opening, index = self._opening(), self._calls
        self._calls += 1
        name, arguments = encodable(call.name), encodable(call.arguments)
        if self._legacy:
            deltas: tuple[object, ...] = (
                {"function_call": {"name": name, "arguments": ""}},
                {"function_call": {"arguments": arguments}},
            )
        elif call.name in self._custom:
            custom = {"name": name, "input": ""}
            named = {"index": index, "id": encodable(call.id), "type": "custom", "custom": custom}
            deltas = (
                {"tool_calls": [named]},
                {"tool_calls": [{"index": index, "custom": {"input": as_input(call.arguments)}}]},
            )
        else:
            function = {"name": name, "arguments": ""}
            named = {"index": index, "id": encodable(call.id), "type": "function", "function": function}
            deltas = (
                {"tool_calls": [named]},
                {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]},
            )
        chunks = [self._head + encode(delta)[:-1] + self._tail for delta in deltas]
        return opening + b"".join(chunks)

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the end of a complete answer: the chunk with `reason`, the usage chunk if asked for, and `[DONE]`."""
        del stop_sequence  # chat completions do not say which one it was
        return self.close(reason) + self.frame((), usage)

    def close(self, reason: FinishReason) -> bytes:
        """Return the chunk with `reason`, which ends this answer."""
        if self._ended:
            raise EncoderError("a second end of the stream")
        opening = self._opening()
        self._ended = True
        named = finish_reason(reason, legacy_functions=self._legacy)
        last = b'{},"logprobs":null,"finish_reason":' + encode_text(named) + b"}]"
        return b"".join((opening, self._head, last, self._close))

    def frame(self, closed: Iterable[bytes], usage: Usage) -> bytes:
        """Return what ends the stream behind all answers: the usage chunk if asked for, and `[DONE]`."""
        del closed  # which have been sent
        if self._with_usage:
            return self._envelope + b'],"usage":' + encode(usage_fields(usage)) + b"}\n\n" + DONE
        return DONE

    def fail(self, error: GatewayError) -> bytes:
        """Return the event that tells of `error`; it has no finish reason and no `[DONE]` follows.

        The caller has to reset the connection after sending it: to most clients a stream that ends cleanly is a
        success. Raises `EncoderError` before the start, when a proper status can still be sent, and after the end.
        """
        if self._ended or not self.started:
            raise EncoderError("a fault outside the stream")
        self._ended = True
        return b"data: " + error_body(error) + b"\n\n"

    def _opening(self) -> bytes:
        if self.started:
            return b""
        self.started = True
        return self._head + b'{"role":"assistant","content":""' + self._tail
