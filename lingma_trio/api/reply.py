"""Turns the events of an answer into what the client is sent, within the client's own limits.

Sits between the event stream and a surface's encoder: stop sequences, the longest answer, token estimates, and the
text that was really sent. Knows no surface's bytes.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from lingma_trio.policy.prompt_tokens import estimate_prompt
from lingma_trio.policy.tokens import TokenCounter
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
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lingma_trio.api.encoder import Encoder
    from lingma_trio.policy.answer_limits import AnswerLimits


class Reply:
    """One answer on its way out. Feed it events with `add` until `ended`; `finish` gives the last bytes."""

    def __init__(self, prompt: Prompt, encoder: Encoder, limits: AnswerLimits) -> None:
        self._prompt = prompt
        self._encoder = encoder
        self._limits = limits
        self._answered = TokenCounter()
        self._thoughts = TokenCounter()
        self._sent: list[str] = []
        self._calls: list[ToolCall] = []
        self.ended: FinishReason | None = None

    @property
    def text(self) -> str:
        """The answer as the client was given it; what a stream sent before a replacement is no part of it."""
        return "".join(self._sent)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls of the client's tools that the client was given."""
        return tuple(self._calls)

    @property
    def cut(self) -> bool:
        """Whether the answer ended at the client's limit and not at upstream's end."""
        return self._limits.reason is not None

    def add(self, events: Iterable[AnswerEvent]) -> bytes:
        """Take events in order; returns what is to be sent now. Events after the end are ignored."""
        pieces = [self._encode(event) for event in events if self.ended is None]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> bytes:
        """The last bytes, once `ended` is set."""
        assert self.ended is not None
        return self._encoder.finish(self.ended, self.usage(), stop_sequence=self._limits.found)

    @cached_property
    def _prompt_tokens(self) -> int:
        """Counted once: the end of the turn and the last bytes both ask, and it takes the whole prompt."""
        return estimate_prompt(self._prompt)

    def usage(self) -> Usage:
        """Tokens so far, estimated. Those of the answer never exceed the client's limit."""
        return Usage(self._prompt_tokens, self._answered.total, self._thoughts.total)

    def _encode(self, event: AnswerEvent) -> bytes:
        match event:
            case TextDelta(text):
                return self._text(self._limits.feed(text) if self._limits.active else text)
            case ThoughtDelta(text):
                return self._thought(self._limits.thought(text) if self._limits.active else text)
            case TextReplaced(text):
                return self._replaced(text)
            case ToolCall():
                return self._call(event)
            case Finished():
                data = self._text(self._limits.flush()) if self._limits.active else b""
                if self.ended is None:
                    self.ended = "tool_calls" if self._calls else "stop"
                return data

    def _text(self, text: str) -> bytes:
        self.ended = self._limits.reason
        if not text:
            return b""
        self._answered.add(text)
        self._sent.append(text)
        return self._encoder.text(text)

    def _thought(self, text: str) -> bytes:
        """Where the limit is hit in the reasoning, text that was let in before is still part of the answer."""
        data = b""
        if text:
            self._answered.add(text)
            self._thoughts.add(text)
            data = self._encoder.thought(text)
        return data if self._limits.reason is None else data + self._text(self._limits.flush())

    def _call(self, call: ToolCall) -> bytes:
        """Text that a limit holds back belongs before the call. A call is whole or it is nothing, so none is cut."""
        data = self._text(self._limits.flush()) if self._limits.active else b""
        if self.ended is not None:
            return data
        self._answered.add(call.name)
        self._answered.add(call.arguments)
        self._calls.append(call)
        return data + self._encoder.call(call)

    def _replaced(self, text: str) -> bytes:
        """The old text cannot be unsaid on a stream, so the new one counts and is limited as what comes after it."""
        self._limits.discard()
        allowed = self._limits.feed(text) if self._limits.active else text
        self.ended = self._limits.reason
        self._answered.add(allowed)
        self._sent = [allowed]
        return self._encoder.replaced(allowed)
