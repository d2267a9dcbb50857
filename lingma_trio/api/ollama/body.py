"""An answer in one piece: its events folded into a JSON body.

Knows the order of Ollama's answers; must not know HTTP, the clock or where events come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.json_text import encodable
from lingma_trio.api.ollama.line import called
from lingma_trio.api.whole_body import WholeBody
from lingma_trio.turns import text_buffer

if TYPE_CHECKING:
    from lingma_trio.api.ollama.figures import Figures
    from lingma_trio.api.ollama.line import Line
    from lingma_trio.turns import FinishReason, ToolCall, Usage


class AnswerBody(WholeBody):
    """One answer as a JSON object; an `Encoder` that hands out nothing until `finish`.

    `hidden` leaves the reasoning out. Holds the whole answer in memory until then.
    """

    __slots__ = ("_calls", "_figures", "_hidden", "_line", "_text", "_thought")

    def __init__(self, line: Line, figures: Figures, *, hidden: bool) -> None:
        super().__init__()
        self._line = line
        self._figures = figures
        self._hidden = hidden
        self._text = text_buffer()
        self._thought = text_buffer()
        self._calls: list[ToolCall] = []

    def text(self, text: str) -> bytes:
        """Take more of the answer's text; nothing is to be sent yet."""
        self._take()
        self._text.write(text)
        return b""

    def thought(self, text: str) -> bytes:
        """Take more of the model's reasoning, or leave it out where it is hidden; nothing is to be sent yet."""
        self._take()
        if not self._hidden:
            self._thought.write(text)
        return b""

    def replaced(self, text: str) -> bytes:
        """Forget the answer's text so far and take `text` in its place; nothing is to be sent yet."""
        self._take()
        self._text = text_buffer(text)
        return b""

    def call(self, call: ToolCall) -> bytes:
        """Take a call of one of the client's tools; nothing is to be sent yet."""
        self._take()
        self._calls.append(call)
        return b""

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the whole body."""
        del stop_sequence  # which is not told here
        self._end()
        text, thinking = encodable(self._text.getvalue()), encodable(self._thought.getvalue())
        closing = self._figures.closing(reason, usage)
        return self._line.write(text, closing, thinking=thinking, calls=called(self._calls))

    def _take(self) -> None:
        self._require_open()
        self._figures.touch()
