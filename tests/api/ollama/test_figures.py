"""What the last line says of an answer."""

from __future__ import annotations

import json

import pytest

from lingma_trio.api.ollama.figures import Figures, Watch
from lingma_trio.turns import FinishReason, Usage

SECOND = 1_000_000_000


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def closing(figures: Figures, reason: FinishReason = "stop") -> dict[str, object]:
    members: dict[str, object] = json.loads(b"{" + figures.closing(reason, Usage(7, 5, 2)) + b"}")
    return members


def test_times_are_those_of_the_answer() -> None:
    """The wait for a slot, for the first of the answer and for its end add up to the whole, in nanoseconds."""
    clock = Clock()
    clock.now = 102.0
    figures = Figures(Watch(100.0, clock))
    clock.now = 105.0
    figures.touch()
    clock.now = 106.0
    figures.touch()
    clock.now = 109.0
    assert closing(figures) == {
        "done": True,
        "done_reason": "stop",
        "total_duration": 9 * SECOND,
        "load_duration": 2 * SECOND,
        "prompt_eval_count": 7,
        "prompt_eval_duration": 3 * SECOND,
        "eval_count": 5,
        "eval_duration": 4 * SECOND,
    }


def test_no_time_is_nothing() -> None:
    """Clients divide by each, also where nothing came between two looks at the clock."""
    told = closing(Figures(Watch(100.0, Clock())))
    assert all(told[name] == 1 for name in told if name.endswith("_duration"))


@pytest.mark.parametrize(
    ("reason", "told"), [("stop", "stop"), ("tool_calls", "stop"), ("length", "length"), ("content_filter",) * 2]
)
def test_reasons_have_ollama_s_names(reason: FinishReason, told: str) -> None:
    """An answer with calls is one that stopped."""
    assert closing(Figures(Watch(100.0, Clock())), reason)["done_reason"] == told
