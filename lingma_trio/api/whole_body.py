"""What the encoders of answers in one piece have in common: nothing is out before the end.

Knows the order in which an encoder is driven; must not know any surface's bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lingma_trio.api.encoder import EncoderError

if TYPE_CHECKING:
    from lingma_trio.errors import GatewayError


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
