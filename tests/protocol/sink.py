"""Where a turn's events go, in a test of what becomes of its pushes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from lingma_trio.protocol.answer import Failed
from lingma_trio.turns import Finished, TextDelta, TextReplaced, ThoughtDelta, ToolCall

Event: TypeAlias = TextDelta | ThoughtDelta | TextReplaced | ToolCall | Finished | Failed


@dataclass
class Sink:
    """Keeps the events, and what a client would have on its screen after them."""

    events: list[Event] = field(default_factory=list)
    shown: str = ""
    thoughts: str = ""

    def text(self, text: str) -> None:
        """More text."""
        self.events.append(TextDelta(text))
        self.shown += text

    def thought(self, text: str) -> None:
        """More reasoning."""
        self.events.append(ThoughtDelta(text))
        self.thoughts += text

    def replaced(self, text: str) -> None:
        """Another text."""
        self.events.append(TextReplaced(text))
        self.shown = text

    def call(self, call: ToolCall) -> None:
        """A call of the client's."""
        self.events.append(call)

    def finished(self, event: Finished) -> None:
        """A good end."""
        self.events.append(event)

    def failed(self, failed: Failed) -> None:
        """A bad end."""
        self.events.append(failed)
