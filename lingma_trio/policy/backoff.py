"""How long to wait before the next attempt: longer after each quick failure, from the start again after a long life.

Must not know what is attempted, and waits for nothing itself: time comes in as an argument and goes out as a number.
"""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Delays that grow by `factor` from `first` to `cap`, each shortened by up to a half at random.

    The random part keeps several instances that failed together from starting together. With a factor of 2 or more
    it never makes a delay shorter than the one before, until the cap is reached. All times are in seconds; `jitter`
    gives numbers from 0 to 1, where 1 is the whole delay. Raises ValueError for numbers that cannot give such delays.
    """

    def __init__(
        self,
        *,
        first: float = 0.5,
        factor: float = 2.0,
        cap: float = 60.0,
        stable_after: float = 60.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not 0 < first <= cap or factor < 1:
            raise ValueError(f"no growing delays with first={first}, factor={factor}, cap={cap}")
        self._first = first
        self._factor = factor
        self._cap = cap
        self._stable_after = stable_after
        self._jitter = jitter
        self._next = first

    def __repr__(self) -> str:
        return f"<Backoff next<={self._next:g}s>"

    def reset(self) -> None:
        """Begin a new series: whatever failed before has been seen to."""
        self._next = self._first

    def longest_delay(self) -> float:
        """Seconds to wait where an earlier attempt would end alike; what the next delays are does not change."""
        return self._cap * (1 + self._jitter()) / 2

    def next_delay(self, stood: float) -> float:
        """Seconds to wait after an attempt whose result stood for `stood` seconds; 0 for one that came to nothing.

        `stable_after` or longer counts as a success: its end is the first failure of a new series.
        """
        whole = self._first if stood >= self._stable_after else self._next
        # Grown step by step: a power of the number of failures would overflow one day.
        self._next = min(whole * self._factor, self._cap)
        return whole * (1 + self._jitter()) / 2
