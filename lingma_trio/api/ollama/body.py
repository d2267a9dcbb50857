"""An answer in one piece: its events folded into a JSON body.

Knows the order of Ollama's answers; must not know HTTP, the clock or where events come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.json_text import encodable
from lingma_trio.api.ollama.line import called
from lingma_trio.api.whole_body import GatheredBody

if TYPE_CHECKING:
    from lingma_trio.api.ollama.figures import Figures
    from lingma_trio.api.ollama.line import Line
    from lingma_trio.turns import FinishReason, Usage


class AnswerBody(GatheredBody):
    """One answer as a JSON object; an `Encoder` that hands out nothing until `finish`.

    `hidden` leaves the reasoning out. Holds the whole answer in memory until then.
    """

    __slots__ = ("_figures", "_hidden", "_line")

    def __init__(self, line: Line, figures: Figures, *, hidden: bool) -> None:
        super().__init__()
        self._line = line
        self._figures = figures
        self._hidden = hidden

    def thought(self, text: str) -> bytes:
        """Take more of the model's reasoning, or leave it out where it is hidden; nothing is to be sent yet."""
        return super().thought("" if self._hidden else text)

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the whole body."""
        del stop_sequence  # which is not told here
        self._end()
        text, thinking = encodable(self._text.getvalue()), encodable(self._thought.getvalue())
        closing = self._figures.closing(reason, usage)
        return self._line.write(text, closing, thinking=thinking, calls=called(self._calls))

    def _require_open(self) -> None:
        super()._require_open()
        self._figures.touch()
