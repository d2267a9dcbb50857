"""How much somebody may use a minute: a bucket that holds a minute's worth and fills at an even rate.

Pure; the clock is an argument, in seconds of any clock that never goes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

MINUTE = 60.0
_HAIR = 1e-6
"""Seconds that a rounding error may come to. Whoever waits as long as it was told is let in."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a bucket holds at one moment: of `limit` there are `remaining`, and all of it in `reset` seconds."""

    limit: int
    remaining: int
    reset: float


class Bucket:
    """`per_minute` at once at the most, and as much in every minute.

    Its whole state is the moment at which it is full again. What is spent beyond what it holds is owed: nothing more is
    to be had until the debt is paid.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._each = MINUTE / per_minute
        self._full_at = 0.0

    def __repr__(self) -> str:
        return f"<Bucket {self.per_minute} a minute, full at {self._full_at:.3f}>"

    def wait(self, amount: int, now: float) -> float:
        """Seconds until `amount`, which is not over `per_minute`, can be spent; 0 when it can."""
        wait = self._full_at - now - (self.per_minute - amount) * self._each
        return wait if wait > _HAIR else 0.0

    def spend(self, amount: int, now: float) -> None:
        """Take `amount` out, whether or not there is so much."""
        self._full_at = max(self._full_at, now) + amount * self._each

    def refund(self, amount: int) -> None:
        """Put `amount` back, which was spent for nothing."""
        self._full_at -= amount * self._each

    def settle(self, amount: int, now: float) -> None:
        """Take `amount` out, or put it back where it is less than 0."""
        if amount < 0:
            self.refund(-amount)
        else:
            self.spend(amount, now)

    def learn(self, reset: float, now: float) -> None:
        """Take somebody else's word that it is full in `reset` seconds."""
        self._full_at = now + reset

    def allowance(self, now: float) -> Allowance:
        """What it holds."""
        reset = max(0.0, self._full_at - now)
        return Allowance(self.per_minute, max(0, floor(self.per_minute - (reset - _HAIR) / self._each)), reset)
