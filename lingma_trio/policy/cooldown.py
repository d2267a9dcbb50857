"""How long an instance rests after its account's quota or rate limit was hit. Pure; the clock is an argument."""

from __future__ import annotations

import math

FIRST = 30.0
"""Seconds of the first rest, where upstream names none: rate limits are counted by the minute."""

LONGEST = 900.0
"""Seconds no rest exceeds; a quota that is gone for the day is found gone again four times an hour, which is cheap."""


class Cooldown:
    """The rest of one instance: grows while every attempt after it hits the limit again, and ends with a success."""

    def __init__(self, *, first: float = FIRST, longest: float = LONGEST) -> None:
        self._first = first
        self._longest = longest
        self._last = 0.0
        self._until = 0.0
        self._hit_at = -math.inf

    def __repr__(self) -> str:
        return f"<Cooldown until={self._until:.1f} last={self._last:g}>"

    def remaining(self, now: float) -> float:
        """Seconds until the instance may be asked again; 0 when it may."""
        return max(0.0, self._until - now)

    def hit(self, now: float, *, retry_after: float | None = None) -> float:
        """A limit was hit at `now`; returns the seconds of the rest.

        Takes what upstream asked for, within LONGEST, else twice the rest before. Several turns that were under way
        together and all hit the limit are one hit: while it rests nothing grows.
        """
        self._hit_at = now
        if retry_after is not None:
            rest = min(max(retry_after, 1.0), self._longest)
        elif now < self._until:
            return self._until - now
        else:
            rest = min(self._last * 2 or self._first, self._longest)
            self._last = rest
        self._until = max(self._until, now + rest)
        return self._until - now

    def succeeded(self, *, asked: float) -> None:
        """A turn that was asked at `asked` ended well: the limit is no longer hit, unless it was hit since then.

        An answer that was under way when the limit was hit says nothing of it: upstream counts questions.
        """
        if asked <= self._hit_at:
            return
        self._last = 0.0
        self._until = 0.0
