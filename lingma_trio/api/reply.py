"""Holds the events of an answer to the client's own limits, and keeps account of what it is given.

Sits between the event stream and whoever encodes it: stop sequences, the longest answer, token estimates, and the text
that goes out. Knows no surface and no bytes.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from lingma_trio.policy.prompt_tokens import estimate_prompt
from lingma_trio.policy.tokens import TokenCounter
from lingma_trio.records import record
from lingma_trio.turns import (
    AnswerEvent,
    Finished,
    FinishReason,
    Prompt,
    TextDelta,
    TextReplaced,
    ThoughtDelta,
    ToolCall,
    Usage,
    text_buffer,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lingma_trio.policy.answer_limits import AnswerLimits


@record
class Ending:
    """How an answer ended for its client; `stop_sequence` is the client's own that ended it, or empty."""

    reason: FinishReason
    usage: Usage
    stop_sequence: str = ""


class Reply:
    """One answer as its client is given it. Feed it events with `add` until `ended`; `ending` is the rest."""

    def __init__(self, prompt: Prompt, limits: AnswerLimits) -> None:
        self._prompt = prompt
        self._limits = limits
        self._answered = TokenCounter()
        self._thoughts = TokenCounter()
        self._given = text_buffer()
        self._calls: list[ToolCall] = []
        self.ended: FinishReason | None = None

    @property
    def text(self) -> str:
        """The answer as the client is given it; what a stream had before a replacement is no part of it."""
        return self._given.getvalue()

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls of the client's tools that the client is given."""
        return tuple(self._calls)

    @property
    def cut(self) -> bool:
        """Whether the answer ended at the client's limit and not at upstream's end."""
        return self._limits.reason is not None

    def add(self, events: Iterable[AnswerEvent]) -> list[AnswerEvent]:
        """Take events in order; returns those to be given. Events after the end are ignored."""
        given: list[AnswerEvent] = []
        for event in events:
            if self.ended is None:
                given += self._admit(event)
        return given

    def ending(self) -> Ending:
        """How it ended, once `ended` is set."""
        assert self.ended is not None
        return Ending(self.ended, self.usage(), self._limits.found)

    @cached_property
    def _prompt_tokens(self) -> int:
        """Counted once: the end of the turn and the last bytes both ask, and it takes the whole prompt."""
        return estimate_prompt(self._prompt)

    def usage(self) -> Usage:
        """Tokens so far, estimated. Those of the answer never exceed the client's limit."""
        return Usage(self._prompt_tokens, self._answered.total, self._thoughts.total)

    def _admit(self, event: AnswerEvent) -> list[AnswerEvent]:
        match event:
            case TextDelta(text):
                return self._text(self._limits.feed(text) if self._limits.active else text)
            case ThoughtDelta(text):
                return self._thought(self._limits.thought(text) if self._limits.active else text)
            case TextReplaced(text):
                return self._replaced(text)
            case ToolCall():
                return self._call(event)
            case Finished(length=length):
                given = self._text(self._limits.flush()) if self._limits.active else []
                if self.ended is None:
                    self.ended = "tool_calls" if self._calls else "length" if length else "stop"
                return given

    def _text(self, text: str) -> list[AnswerEvent]:
        self.ended = self._limits.reason
        if not text:
            return []
        self._answered.add(text)
        self._given.write(text)
        return [TextDelta(text)]

    def _thought(self, text: str) -> list[AnswerEvent]:
        """Where the limit is hit in the reasoning, text that was let in before is still part of the answer."""
        given: list[AnswerEvent] = []
        if text:
            self._answered.add(text)
            self._thoughts.add(text)
            given = [ThoughtDelta(text)]
        return given if self._limits.reason is None else given + self._text(self._limits.flush())

    def _call(self, call: ToolCall) -> list[AnswerEvent]:
        """Text that a limit holds back belongs before the call. A call is whole or it is nothing, so none is cut."""
        given = self._text(self._limits.flush()) if self._limits.active else []
        if self.ended is not None:
            return given
        self._answered.add(call.name)
        self._answered.add(call.arguments)
        self._calls.append(call)
        return [*given, call]

    def _replaced(self, text: str) -> list[AnswerEvent]:
        """The old text cannot be unsaid on a stream, so the new one counts and is limited as what comes after it."""
        self._limits.discard()
        allowed = self._limits.feed(text) if self._limits.active else text
        self.ended = self._limits.reason
        self._answered.add(allowed)
        self._given = text_buffer(allowed)
        return [TextReplaced(allowed)]
