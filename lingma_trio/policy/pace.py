"""How fast answers came in the last minutes: deltas by time slot, and each answer's wait for its first delta.

Fed by what happens and not by a clock of its own, so it costs nothing while nothing happens. Time is an argument, in
seconds of any clock that never goes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

SLOT = 2.0
"""Seconds that one slot counts."""

SLOTS = 120
"""Slots looked back over."""

WAITS_KEPT = 200


@dataclass(frozen=True, slots=True)
class Wait:
    """How long an answer's first delta took, and in which slot, counted back from the newest, it came."""

    slots_ago: int
    seconds: float


class Pace:
    """The pace of the last SLOT * SLOTS seconds. Bounded however much happens."""

    def __init__(self) -> None:
        self._newest = 0
        self._deltas: deque[int] = deque([0] * SLOTS, maxlen=SLOTS)
        self._waits: deque[tuple[int, float]] = deque(maxlen=WAITS_KEPT)

    def __repr__(self) -> str:
        return f"<Pace slot={self._newest} waits={len(self._waits)}>"

    def deltas(self, count: int, *, now: float) -> None:
        """So many deltas came."""
        self._advance(now)
        self._deltas[-1] += count

    def first_delta(self, seconds: float, *, now: float) -> None:
        """An answer's first delta came, so many seconds after its request."""
        self._advance(now)
        self._waits.append((self._newest, seconds))

    def rates(self, now: float) -> Sequence[float]:
        """Deltas per second in each slot, oldest first. The last slot is under way, so it is left out."""
        self._advance(now)
        return [count / SLOT for count in self._deltas][:-1]

    def waits(self, now: float) -> Sequence[Wait]:
        """Waits for first deltas within the slots looked back over, oldest first."""
        self._advance(now)
        return [Wait(self._newest - slot, seconds) for slot, seconds in self._waits if self._newest - slot < SLOTS]

    def _advance(self, now: float) -> None:
        slot = int(now // SLOT)
        if slot > self._newest:
            self._deltas.extend([0] * min(slot - self._newest, SLOTS))
            self._newest = slot
