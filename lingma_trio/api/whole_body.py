"""What the encoders of answers in one piece have in common: nothing is out before the end.

Knows the order in which an encoder is driven; must not know any surface's bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lingma_trio.api.encoder import EncoderError
from lingma_trio.turns import text_buffer

if TYPE_CHECKING:
    from lingma_trio.errors import GatewayError
    from lingma_trio.turns import ToolCall


class WholeBody:
    """The half of an `Encoder` that hands out nothing until `finish`; whoever ends the answer calls `_end`."""

    __slots__ = ("started",)

    keepalive: ClassVar[bytes] = b""
    fails_whole: ClassVar[bool] = False

    def __init__(self) -> None:
        self.started = False

    def start(self) -> bytes:
        """Raise `EncoderError` always: a body has no beginning that could be sent ahead of its end."""
        raise EncoderError("a body is sent in one piece")

    def fail(self, error: GatewayError) -> bytes:
        """Raise `EncoderError` always: no bytes are out before the end, so a fault is a response of its own."""
        raise EncoderError("a body cannot tell of a fault") from error

    def _require_open(self) -> None:
        if self.started:
            raise EncoderError("an event after the body was handed out")

    def _end(self) -> None:
        self._require_open()
        self.started = True


class GatheredBody(WholeBody):
    """One that gathers what it is to hold: the text, the reasoning and the calls, each by itself."""

    __slots__ = ("_calls", "_text", "_thought")

    def __init__(self) -> None:
        super().__init__()
        self._text = text_buffer()
        self._thought = text_buffer()
        self._calls: list[ToolCall] = []

    def text(self, text: str) -> bytes:
        """Take more of the text; nothing is to be sent yet."""
        self._require_open()
        self._text.write(text)
        return b""

    def thought(self, text: str) -> bytes:
        """Take more of the reasoning; nothing is to be sent yet."""
        self._require_open()
        self._thought.write(text)
        return b""

    def replaced(self, text: str) -> bytes:
        """Take `text` in place of what there is so far; nothing is to be sent yet."""
        self._require_open()
        self._text = text_buffer(text)
        return b""

    def call(self, call: ToolCall) -> bytes:
        """Take a call of one of the client's tools; nothing is to be sent yet."""
        self._require_open()
        self._calls.append(call)
        return b""


class TextBody(GatheredBody):
    """One that is text alone: it has no place for reasoning, and no tools are declared for it."""

    __slots__ = ()

    def thought(self, text: str) -> bytes:
        """Leave reasoning out."""
        del text
        return super().thought("")

    def call(self, call: ToolCall) -> bytes:
        """Raise `EncoderError` always: no tools are declared."""
        raise EncoderError(f"a call of {call.name} where no tools are declared")
