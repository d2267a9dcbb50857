"""A streamed legacy completion: the events of one answer as server-sent events.

Knows OpenAI's `text_completion` chunks; must not know HTTP, the clock or where events come from.

Only `data:` lines and comments are ever written, as for chat completions and for the same clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.json_text import encodable, encode, encode_text
from lingma_trio.api.openai.envelope import error_body
from lingma_trio.api.openai.stream import DONE, KEEPALIVE
from lingma_trio.api.openai.usage import usage_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lingma_trio.errors import GatewayError
    from lingma_trio.turns import FinishReason, ToolCall, Usage


class CompletionStream:
    """One answer as `text_completion` chunks; an `Encoder`.

    `id` and `created`, in seconds since the epoch, stand in every chunk, as do `model` and, where `include_usage` is
    true, a `usage` that is null in all chunks but an additional last one, which has no choices. `echo` is the text of
    the first chunk, which goes out with whatever comes first, or by `start` ahead of everything. Reasoning has no
    place in a completion and is left out. `index` is the answer's place among those of one response.
    """

    __slots__ = ("_close", "_echo", "_ended", "_envelope", "_head", "_spoken", "_tail", "_with_usage", "started")

    keepalive: ClassVar[bytes] = KEEPALIVE
    fails_whole: ClassVar[bool] = False

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
        common = {"id": encodable(id), "object": "text_completion", "created": created, "model": encodable(model)}
        self._envelope = b"data: " + encode(common)[:-1] + b',"choices":['
        self._head = self._envelope + b'{"index":%d,"text":' % index
        self._close = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._close
        self._echo = echo
        self._with_usage = include_usage
        self._spoken = False
        self._ended = False
        self.started = False

    def start(self) -> bytes:
        """Return the first chunk, to be sent before anything else; raises `EncoderError` once it has started."""
        if self.started:
            raise EncoderError("the stream has already started")
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

    def replaced(self, text: str) -> bytes:
        """Return the chunk that starts the answer's text afresh, after a blank line where text was sent already."""
        return self.text("\n\n" + text if self._spoken else text)

    def call(self, call: ToolCall) -> bytes:
        """Raise `EncoderError` always: a completion declares no tools."""
        raise EncoderError(f"a call of {call.name} in a completion")

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the end of a complete answer: the chunk with `reason`, the usage chunk if asked for, and `[DONE]`."""
        del stop_sequence  # completions do not say which one it was
        return self.close(reason) + self.frame((), usage)

    def close(self, reason: FinishReason) -> bytes:
        """Return the chunk with `reason`, which ends this answer."""
        self._require_open()
        opening = self._opening()
        self._ended = True
        last = b'"","logprobs":null,"finish_reason":' + encode_text(reason) + b"}]"
        return b"".join((opening, self._head, last, self._close))

    def frame(self, closed: Iterable[bytes], usage: Usage) -> bytes:
        """Return what ends the stream behind all answers: the usage chunk if asked for, and `[DONE]`."""
        del closed  # which have been sent
        if self._with_usage:
            return self._envelope + b'],"usage":' + encode(usage_fields(usage)) + b"}\n\n" + DONE
        return DONE

    def fail(self, error: GatewayError) -> bytes:
        """Return the event that tells of `error`; it has no finish reason and no `[DONE]` follows.

        The caller has to reset the connection after sending it. Raises `EncoderError` before the start and after the
        end.
        """
        if self._ended or not self.started:
            raise EncoderError("a fault outside the stream")
        self._ended = True
        return b"data: " + error_body(error) + b"\n\n"

    def _opening(self) -> bytes:
        if self.started:
            return b""
        self.started = True
        return self._chunk(self._echo) if self._echo else b""

    def _chunk(self, text: str) -> bytes:
        return b"".join((self._head, encode_text(text), self._tail))

    def _require_open(self) -> None:
        if self._ended:
            raise EncoderError("an event after the end of the stream")
