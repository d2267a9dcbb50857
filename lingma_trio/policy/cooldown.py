"""How long somebody rests after a limit was hit, and who rests: an account or single models of it.

Pure; the clock is an argument, in seconds.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["fresh", "old", "probe"]
"""A question of its own, one of a burst whose limit has been noted, or the one that finds out whether a rest helped."""

FIRST = 30.0
"""Seconds of the first rest, where upstream names none: rate limits are counted by the minute."""

LONGEST = 900.0
"""Seconds no rest exceeds; a quota that is gone for the day is found gone again four times an hour, which is cheap."""

MOST_MODELS = 100
"""Models whose rests are remembered; no account has as many."""


class Cooldown:
    """A rest, and the probation after it: it grows while the probe fails, and ends with the first success.

    What was asked before a rest was over says nothing new, however late its answer comes: questions that were under
    way together and all hit the limit are one hit.
    """

    def __init__(self) -> None:
        self._last = 0.0
        self.until = -math.inf
        """When the last rest ends or ended."""

    def __repr__(self) -> str:
        return f"<Cooldown until={self.until:.1f} last={self._last:g}>"

    @property
    def on_probation(self) -> bool:
        """Whether nothing has succeeded since the last rest: one question at a time finds out."""
        return self._last > 0

    def stage(self, *, asked: float) -> Stage:
        """What a question asked at `asked` can tell."""
        if asked < self.until:
            return "old"
        return "probe" if self.on_probation else "fresh"

    def remaining(self, now: float) -> float:
        """Seconds of rest that are left; 0 for none."""
        return max(0.0, self.until - now)

    def hit(self, now: float, *, asked: float, retry_after: float | None = None) -> float:
        """A question asked at `asked` hit the limit; returns the seconds of rest that are left.

        The rest is what upstream asked for, within LONGEST, else twice the one before.
        """
        wished = None if retry_after is None else min(max(retry_after, 1.0), LONGEST)
        if self.stage(asked=asked) != "old":
            self._last = wished or min(self._last * 2 or FIRST, LONGEST)
            self.until = now + self._last
        elif wished is not None:
            self.until = max(self.until, now + wished)
        return self.remaining(now)

    def succeeded(self, *, asked: float) -> bool:
        """A question asked at `asked` was answered; returns whether that ends a probation."""
        ends = self.stage(asked=asked) == "probe"
        if ends:
            self._last = 0.0
        return ends


class Rests:
    """Who rests of one account: single models by their keys, or under the empty name all of it."""

    def __init__(self) -> None:
        self._all = Cooldown()
        self._models: dict[str, Cooldown] = {}
        self.untouched = True
        """Whether nobody ever had to rest."""

    def __repr__(self) -> str:
        return f"<Rests {self._all!r} models={len(self._models)}>"

    def hit(self, model: str, now: float, *, asked: float, retry_after: float | None = None) -> float:
        """As `Cooldown.hit`, for a model or, where it is empty, the whole account."""
        self.untouched = False
        if not model:
            return self._all.hit(now, asked=asked, retry_after=retry_after)
        if model not in self._models and len(self._models) >= MOST_MODELS:
            self._models.pop(min(self._models, key=lambda name: self._models[name].until))
        return self._models.setdefault(model, Cooldown()).hit(now, asked=asked, retry_after=retry_after)

    def succeeded(self, model: str, *, asked: float) -> bool:
        """As `Cooldown.succeeded`, for everything that the answer of this model speaks for."""
        ended = [rest.succeeded(asked=asked) for _, rest in self._over(model)]
        return any(ended)

    def stage(self, *, asked: float) -> Stage:
        """As `Cooldown.stage`, for the whole account."""
        return self._all.stage(asked=asked)

    def remaining(self, model: str, now: float) -> float:
        """Seconds until the model, or with an empty name any model, may be asked; 0 for now."""
        return max((rest.remaining(now) for _, rest in self._over(model)), default=0.0)

    def probations(self, model: str) -> list[tuple[str, float]]:
        """Each that a question to this model would be the probe of: its name, and since when it may be asked."""
        return [(name, rest.until) for name, rest in self._over(model) if rest.on_probation]

    def under_rest(self, now: float) -> dict[str, float]:
        """The models that rest by themselves, each with the seconds that are left."""
        return {name: rest.remaining(now) for name, rest in self._models.items() if rest.remaining(now)}

    def next_end(self, now: float) -> float:
        """When the next of the rests is over; infinity where nobody rests."""
        ends = [rest.until for rest in (self._all, *self._models.values()) if rest.until > now]
        return min(ends, default=math.inf)

    def _over(self, model: str) -> list[tuple[str, Cooldown]]:
        one = self._models.get(model)
        return [("", self._all)] if one is None else [("", self._all), (model, one)]
