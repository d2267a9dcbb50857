"""What the last line of an answer says of it: why it ended, how many tokens it took, and how long.

Knows Ollama's names for that. The clock is an argument: seconds of any beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from lingma_trio.api.json_text import encode
from lingma_trio.records import record

if TYPE_CHECKING:
    from lingma_trio.turns import FinishReason, Usage

_NANOSECONDS: Final = 1_000_000_000
_REASONS: Final[dict[FinishReason, str]] = {"tool_calls": "stop"}


@record
class Watch:
    """A clock, and when the request came by it."""

    began: float
    now: Callable[[], float]


class Figures:
    """The times of one answer. Made when its question is put; `touch` is told of whatever comes of it."""

    __slots__ = ("_asked", "_first", "_watch")

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._asked = watch.now()
        self._first: float | None = None

    def touch(self) -> None:
        """Something has come."""
        if self._first is None:
            self._first = self._watch.now()

    def closing(self, reason: FinishReason, usage: Usage) -> bytes:
        """Return the members of a last line, without braces round them.

        What was waited before the question was put is told as the loading of the model, and what it took to the first
        of the answer as the reading of the prompt.
        """
        self.touch()
        first, end = self._first or 0.0, self._watch.now()
        fields = {
            "done": True,
            "done_reason": _REASONS.get(reason, reason),
            "total_duration": _between(self._watch.began, end),
            "load_duration": _between(self._watch.began, self._asked),
            "prompt_eval_count": usage.prompt_tokens,
            "prompt_eval_duration": _between(self._asked, first),
            "eval_count": usage.answer_tokens,
            "eval_duration": _between(first, end),
        }
        return encode(fields)[1:-1]


def _between(start: float, end: float) -> int:
    """Nanoseconds, at least one: clients divide by them."""
    return max(1, round((end - start) * _NANOSECONDS))
