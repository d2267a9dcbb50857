"""How many questions at once an account was found to take. Pure; the clock is an argument, in seconds."""

from __future__ import annotations

import math

QUIET = 20.0
"""Seconds without a refusal after which one more is tried: a try costs little, for the question that was one too many
is asked again. Fewer than a request waits in the queue, so that what was bounded away is what is tried."""


class MeasuredBound:
    """The bound that refusals taught, none before the first; after each QUIET it grows with an answer that fills it.

    After a QUIET one more than it says is taken, so that it is tried again also while what fills it goes on for long.
    """

    def __init__(self) -> None:
        self._changed = 0.0
        self.bound: int | None = None
        """How many questions may be under way; None while nobody knows of a bound."""

    def __repr__(self) -> str:
        return f"<MeasuredBound {self.bound}>"

    def takes(self, under_way: int, now: float) -> bool:
        """Whether one more may be asked beside so many."""
        return self.bound is None or under_way < self.bound + (now - self._changed >= QUIET)

    def next_try(self, now: float) -> float:
        """When one more than the bound is taken; infinity where that is so already, or where there is no bound."""
        at = self._changed + QUIET
        return math.inf if self.bound is None or at <= now else at

    def refused(self, now: float, *, beside: int) -> None:
        """A question was one too many beside so many others, at least one, that were under way when it was asked."""
        self.bound = max(1, beside if self.bound is None else min(self.bound, beside))
        self._changed = now

    def answered(self, now: float, *, under_way: int) -> bool:
        """An answer came while so many were under way, itself included; returns whether one more is tried now."""
        if self.bound is None or under_way < self.bound or now - self._changed < QUIET:
            return False
        self.bound += 1
        self._changed = now
        return True

    def forget(self) -> None:
        """What was refused was refused for another reason, so nobody knows of a bound."""
        self.bound = None
