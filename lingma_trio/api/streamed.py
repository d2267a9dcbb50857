"""What the encoders of streams have in common: what was sent cannot be unsaid, and nothing follows the end.

Knows the order in which an encoder is driven; must not know any surface's bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from lingma_trio.api.encoder import EncoderError


class Streamed(ABC):
    """The half of an `Encoder` that knows how far its stream is; the other one says so and makes the bytes.

    `started` says whether bytes are out, `_spoken` whether text is among them.
    """

    __slots__ = ("_ended", "_spoken", "started")

    def __init__(self) -> None:
        self._spoken = False
        self._ended = False
        self.started = False

    @abstractmethod
    def text(self, text: str) -> bytes:
        """Return what tells of more of the answer's text; nothing for no text."""

    def replaced(self, text: str) -> bytes:
        """Return what starts the answer's text afresh.

        What a stream has sent cannot be unsaid: a client that was sent text is sent a blank line and then the whole
        new text, so the answer it puts together holds both. Where no text was sent, `text` is just text.
        """
        return self.text("\n\n" + text if self._spoken else text)

    def _require_unstarted(self) -> None:
        if self.started:
            raise EncoderError("the stream has already started")

    def _require_open(self) -> None:
        if self._ended:
            raise EncoderError("an event after the end of the stream")

    def _break_off(self) -> None:
        """End a stream that is under way with what tells of a fault.

        Raises `EncoderError` before the start, when a proper status can still be sent, and after the end.
        """
        if self._ended or not self.started:
            raise EncoderError("a fault outside the stream")
        self._ended = True
