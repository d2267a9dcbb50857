"""A streamed answer: its events as lines of JSON.

Knows Ollama's lines and the order that clients rely on; must not know HTTP, the clock or where events come from.

There is no comment in this form and no empty line either, which breaks the client for Python. What shows that a stream
lives is a line with no text, as Ollama itself sends them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lingma_trio.api.ollama.envelope import error_body
from lingma_trio.api.ollama.line import OPEN, called
from lingma_trio.api.streamed import Streamed

if TYPE_CHECKING:
    from lingma_trio.api.ollama.figures import Figures
    from lingma_trio.api.ollama.line import Line
    from lingma_trio.errors import GatewayError
    from lingma_trio.turns import FinishReason, ToolCall, Usage


class AnswerLines(Streamed):
    """One answer as lines of JSON; an `Encoder`.

    `hidden` leaves the reasoning out. A failed answer ends with a line that says so, behind which no `done` comes.
    """

    __slots__ = ("_calls", "_figures", "_hidden", "_line")

    fails_whole: ClassVar[bool] = True

    def __init__(self, line: Line, figures: Figures, *, hidden: bool) -> None:
        super().__init__()
        self._line = line
        self._figures = figures
        self._hidden = hidden
        self._calls = 0

    @property
    def keepalive(self) -> bytes:
        """A line with no text."""
        return self._line.write("", OPEN) + b"\n"

    def start(self) -> bytes:
        """Begin: nothing is to be sent ahead; raises `EncoderError` once the stream has started."""
        self._require_unstarted()
        self.started = True
        return b""

    def text(self, text: str) -> bytes:
        """Return the line of one text delta; nothing for no text."""
        self._require_open()
        if not text:
            return b""
        self._spoken = True
        return self._open(text)

    def thought(self, text: str) -> bytes:
        """Return the line of one reasoning delta; nothing for no text, or where reasoning is hidden."""
        self._require_open()
        self._figures.touch()
        return self._open("", thinking=text) if text and not self._hidden else b""

    def call(self, call: ToolCall) -> bytes:
        """Return the line of one call, whole."""
        self._require_open()
        self._calls += 1
        return self._open("", calls=called([call], first=self._calls - 1))

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the last line, which has no text."""
        del stop_sequence  # which is not told here
        self._require_open()
        self.started = self._ended = True
        return self._line.write("", self._figures.closing(reason, usage)) + b"\n"

    def fail(self, error: GatewayError) -> bytes:
        """Return the line that tells of `error`; raises `EncoderError` before the start and after the end."""
        self._break_off()
        return error_body(error) + b"\n"

    def _open(self, text: str, *, thinking: str = "", calls: bytes = b"") -> bytes:
        self.started = True
        self._figures.touch()
        return self._line.write(text, OPEN, thinking=thinking, calls=calls) + b"\n"
