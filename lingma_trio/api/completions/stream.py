"""A streamed legacy completion: the events of one answer as server-sent events.

Knows OpenAI's `text_completion` chunks; must not know HTTP, the clock or where events come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.json_text import encode_text
from lingma_trio.api.openai.chunks import ChoiceChunks

if TYPE_CHECKING:
    from lingma_trio.turns import FinishReason, ToolCall


class CompletionStream(ChoiceChunks):
    """One answer as `text_completion` chunks; an `Encoder`.

    The fields of every chunk are as for `ChoiceChunks`. `echo` is the text of the first chunk, which goes out with
    whatever comes first, or by `start` ahead of everything. Reasoning has no place in a completion and is left out.
    """

    __slots__ = ("_echo", "_tail", "_text_head")

    def __init__(
        self,
        *,
        id: str,  # noqa: A002
        model: str,
        created: int,
        echo: str = "",
        include_usage: bool = False,
        index: int = 0,
    ) -> None:
        super().__init__(
            "text_completion", id=id, model=model, created=created, include_usage=include_usage, index=index
        )
        self._text_head = self._head + b'"text":'
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._close
        self._echo = echo

    def start(self) -> bytes:
        """Return the first chunk, to be sent before anything else; raises `EncoderError` once it has started."""
        self._require_unstarted()
        return self._opening() or self._chunk("")

    def text(self, text: str) -> bytes:
        """Return the chunk of one text delta, with the echo before it if it is the first; nothing for no text."""
        self._require_open()
        if not text:
            return b""
        self._spoken = True
        if self.started:
            return self._chunk(text)
        return self._opening() + self._chunk(text)

    def thought(self, text: str) -> bytes:
        """Leave reasoning out."""
        del text
        self._require_open()
        return b""

    def call(self, call: ToolCall) -> bytes:
        """Raise `EncoderError` always: a completion declares no tools."""
        raise EncoderError(f"a call of {call.name} in a completion")

    def close(self, reason: FinishReason) -> bytes:
        """Return the chunk with `reason`, which ends this answer."""
        self._require_open()
        opening = self._opening()
        self._ended = True
        last = b'"","logprobs":null,"finish_reason":' + encode_text(reason) + b"}]"
        return b"".join((opening, self._text_head, last, self._close))

    def _opening(self) -> bytes:
        if self.started:
            return b""
        self.started = True
        return self._chunk(self._echo) if self._echo else b""

    def _chunk(self, text: str) -> bytes:
        return b"".join((self._text_head, encode_text(text), self._tail))
