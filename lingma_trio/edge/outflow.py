"""How a client takes what is written to it: whether it takes anything, and enough.

Sans-IO; the clock is an argument. Only time in which something waits for the client counts: a stream that is slow
because the answer is says nothing about its client.
"""

from __future__ import annotations

from typing import Final

WINDOW: Final = 20.0
"""Seconds over which a client's rate is taken."""

LITTLE: Final = 4096
"""Bytes that may be on their way without waiting for the client: more than a stream slower than any rate asked for has
there on a bad line, and less than the kernel holds whenever it has no room.
"""


class Outflow:
    """What one client has taken. Bytes are those that its kernel has acknowledged."""

    def __init__(self, now: float) -> None:
        self._written = 0
        self._taken = 0
        self._since = now
        self._looks: list[tuple[float, int]] = []

    def __repr__(self) -> str:
        return f"<Outflow written={self._written} taken={self._taken}>"

    def add(self, size: int) -> None:
        """So many bytes more are on their way."""
        self._written += size

    @property
    def held_up(self) -> bool:
        """Whether a write has waited for the client, and what it waited behind may wait still."""
        return bool(self._looks)

    def idle(self, unsent: int, now: float) -> float:
        """Seconds for which the client has taken nothing of what waits for it; `unsent` is what waits, in bytes."""
        if unsent < LITTLE:
            self._looks.clear()
        taken = self._written - unsent
        if taken > self._taken or not unsent:
            self._taken = taken
            self._since = now
        return now - self._since

    def rate(self, unsent: int, now: float) -> float | None:
        """Bytes a second that the client took in the last WINDOW, all of which something waited for it; None before.

        To be asked for where a write waits, and `idle` before each write while there is one that is `held_up`.
        """
        looks = self._looks
        taken = self._written - unsent
        looks.append((now, taken))
        while len(looks) > 1 and looks[1][0] <= now - WINDOW:
            del looks[0]
        began, before = looks[0]
        return (taken - before) / (now - began) if now - began >= WINDOW else None
