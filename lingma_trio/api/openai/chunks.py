"""What a streamed chat completion and a streamed legacy one have in common: chunks of choices, and how they end.

Knows the envelope of OpenAI's chunks; must not know what a choice holds.

Only `data:` lines and comments are ever written. The official Python client breaks on `id:`, on `retry:` and on an
event without data, and reads a stream that ends cleanly as a success whatever is missing from it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from lingma_trio.api.json_text import encodable, encode
from lingma_trio.api.openai.envelope import error_body
from lingma_trio.api.openai.usage import usage_fields
from lingma_trio.api.streamed import Streamed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lingma_trio.errors import GatewayError
    from lingma_trio.turns import FinishReason, Usage

KEEPALIVE = b": keep-alive\n\n"
"""A comment: the one thing that every client skips between two events, and also before the first."""

DONE = b"data: [DONE]\n\n"
"""What ends a complete stream."""


class ChoiceChunks(Streamed):
    """The half of an `Encoder` that knows the stream of chunks; the other says what a choice holds, and closes it.

    `id` and `created`, in seconds since the epoch, stand in every chunk, which is a `kind`, as do `model` and, where
    `include_usage` is true, a `usage` that is null in all chunks but an additional last one, which has no choices.
    `index` is the answer's place among those of one response.
    """

    __slots__ = ("_close", "_envelope", "_head", "_with_usage")

    keepalive: ClassVar[bytes] = KEEPALIVE
    fails_whole: ClassVar[bool] = False

    def __init__(self, kind: str, *, id: str, model: str, created: int, include_usage: bool, index: int) -> None:  # noqa: A002
        super().__init__()
        common = {"id": encodable(id), "object": kind, "created": created, "model": encodable(model)}
        self._envelope = b"data: " + encode(common)[:-1] + b',"choices":['
        self._head = self._envelope + b'{"index":%d,' % index
        self._close = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._with_usage = include_usage

    @abstractmethod
    def close(self, reason: FinishReason) -> bytes:
        """Return the chunk with `reason`, which ends this answer."""

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the end of a complete answer: the chunk with `reason`, the usage chunk if asked for, and `[DONE]`."""
        del stop_sequence  # chunks do not say which one it was
        return self.close(reason) + self.frame((), usage)

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
        self._break_off()
        return b"data: " + error_body(error) + b"\n\n"
