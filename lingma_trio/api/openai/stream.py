"""A streamed chat completion: the events of one answer as server-sent events.

Knows OpenAI's chunks and the order that clients rely on; must not know HTTP, the clock or where events come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.custom_tools import as_input
from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.json_text import encodable, encode, encode_text
from lingma_trio.api.openai.body import finish_reason
from lingma_trio.api.openai.chunks import ChoiceChunks

if TYPE_CHECKING:
    from lingma_trio.turns import FinishReason, ToolCall


class ChatStream(ChoiceChunks):
    """One answer as `chat.completion.chunk` events; an `Encoder`.

    The fields of every chunk are as for `ChoiceChunks`. `legacy_functions` gives a call as `function_call`, the form
    before tools, in which there is one at the most. Calls of tools that `custom` names are given with a text and not
    with arguments.

    The first chunk is the role alone; it goes out with whatever comes first, or by `start` ahead of everything. Empty
    text makes no chunk. A chunk of text is constant bytes round one JSON string, so a delta costs about what encoding
    its text costs.
    """

    __slots__ = ("_calls", "_custom", "_delta_head", "_legacy", "_tail", "_text_head", "_thought_head")

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
        super().__init__(
            "chat.completion.chunk", id=id, model=model, created=created, include_usage=include_usage, index=index
        )
        self._delta_head = self._head + b'"delta":'
        self._text_head = self._delta_head + b'{"content":'
        self._thought_head = self._delta_head + b'{"reasoning_content":'
        self._tail = b'},"logprobs":null,"finish_reason":null}]' + self._close
        self._legacy = legacy_functions
        self._custom = custom
        self._calls = 0

    def start(self) -> bytes:
        """Return the role chunk, to be sent before anything else; raises `EncoderError` once the stream has started."""
        self._require_unstarted()
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

    def call(self, call: ToolCall) -> bytes:
        """Return two chunks: one that names the call, which alone has its id, and one with its arguments."""
        self._require_open()
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
        chunks = [self._delta_head + encode(delta)[:-1] + self._tail for delta in deltas]
        return opening + b"".join(chunks)

    def close(self, reason: FinishReason) -> bytes:
        """Return the chunk with `reason`, which ends this answer."""
        self._require_open()
        opening = self._opening()
        self._ended = True
        named = finish_reason(reason, legacy_functions=self._legacy)
        last = b'{},"logprobs":null,"finish_reason":' + encode_text(named) + b"}]"
        return b"".join((opening, self._delta_head, last, self._close))

    def _opening(self) -> bytes:
        if self.started:
            return b""
        self.started = True
        return self._delta_head + b'{"role":"assistant","content":""' + self._tail
