"""The table that the scale test prints: what was promised of each part that dies, and what was seen.

Knows rows and checks. Must not know how a row is played.
"""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(slots=True)
class Row:
    """One row: what dies, what was seen, and what of it was not as promised."""

    what: str
    seen: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def saw(self, *words: str) -> None:
        """Note what was seen."""
        self.seen += words

    def expect(self, is_so: bool, promise: str, seen: object = "") -> None:
        """Note a fault unless a promise was kept."""
        if not is_so:
            self.faults.append(f"{promise}: {seen}" if seen != "" else promise)

    @property
    def lines(self) -> list[str]:
        """The row as it is printed."""
        told = [*self.seen, *(f"NOT AS PROMISED: {fault}" for fault in self.faults)]
        return [self.head, *(f"                 {line}" for line in told)]

    @property
    def head(self) -> str:
        """Its first line."""
        return f"{'FAILED' if self.faults else 'ok':6} {self.seconds:5.1f} s  {self.what}"


async def played(what: str, play: Callable[[Row], Awaitable[None]]) -> Row:
    """A row, played to its end. A play that fails is a fault of its row: the next one is played all the same."""
    row = Row(what)
    began = time.monotonic()
    try:
        await play(row)
    except Exception as fault:  # noqa: BLE001 - of whatever kind it is, the other rows are worth playing
        row.faults.append("".join(traceback.format_exception(fault))[-2500:])
    row.seconds = time.monotonic() - began
    return row


def closing(rows: list[Row]) -> str:
    """The last lines: every row with its verdict."""
    failed = sum(bool(row.faults) for row in rows)
    return "\n".join(["--- what was played", *(row.head for row in rows), f"{len(rows)} rows, {failed} failed"])
