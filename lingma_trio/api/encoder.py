"""What the HTTP edge drives to answer a client, whichever surface and whether streamed or not.

Knows the events of an answer; must not know any surface's bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lingma_trio.turns import Finished, TextDelta, TextReplaced, ThoughtDelta, ToolCall

if TYPE_CHECKING:
    from lingma_trio.errors import GatewayError
    from lingma_trio.turns import AnswerEvent, FinishReason, Usage


class EncoderError(Exception):
    """The gateway drove an encoder in an order that no answer can have. Always a bug, never a client's fault."""


class Carrier(Protocol):
    """What a response of one answer or several has in common.

    `keepalive` is what may be sent at any time to show that a stream lives. `fails_whole` says that the surface has an
    event which ends a failed answer for good, so that the response is ended properly after `fail`; where it has none,
    the response is cut off, since most clients take a stream that ends cleanly for a success.
    """

    @property
    def keepalive(self) -> bytes:
        """What shows that a stream lives."""
        ...

    @property
    def fails_whole(self) -> bool:
        """Whether `fail` ends the response properly."""
        ...

    @property
    def started(self) -> bool:
        """Whether bytes have been handed out: from then on a fault can only be told in-band, by `fail`."""
        ...

    def start(self) -> bytes:
        """Begin a streamed answer of which nothing has come; `EncoderError` once it has started."""
        ...

    def fail(self, error: GatewayError) -> bytes:
        """End an answer that has started, without letting it look complete; `EncoderError` if it has not started."""
        ...


class Encoder(Carrier, Protocol):
    """A state machine from the events of one answer to the bytes that tell a client of them.

    Each method returns what is to be sent, which is often nothing: `b""`. Each raises `EncoderError` once the answer
    has ended, by `finish` or by `fail`. An answer in one piece hands out nothing before `finish`.
    """

    def text(self, text: str) -> bytes:
        """Take more of the answer's text."""
        ...

    def thought(self, text: str) -> bytes:
        """Take more of the model's reasoning."""
        ...

    def replaced(self, text: str) -> bytes:
        """Take `text` in place of all text of the answer so far; the reasoning stands."""
        ...

    def call(self, call: ToolCall) -> bytes:
        """Take a call of one of the client's tools."""
        ...

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """End the answer as a complete one; `stop_sequence` is the client's own that ended it, or empty."""
        ...


def encode_event(encoder: Encoder, event: AnswerEvent) -> bytes:
    """Have `encoder` take an event; returns what is to be sent. How an answer ends is told by `finish` alone."""
    match event:
        case TextDelta(text):
            return encoder.text(text)
        case ThoughtDelta(text):
            return encoder.thought(text)
        case TextReplaced(text):
            return encoder.replaced(text)
        case ToolCall():
            return encoder.call(event)
        case Finished():
            return b""
