"""What was asked of the gateway, counted by hour, key, model and outcome: never what, by whom beyond the key, or why.

Knows numbers. Does not know where they are kept, and takes the time as an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import NamedTuple

from lingma_trio.records import record

HOUR = 3600
DAYS = 31
"""Days that are looked back over: a month, the day that is under way included."""


class Cell(NamedTuple):
    """What requests are counted together: `hour` is the number of hours since the epoch."""

    hour: int
    key: str
    model: str
    outcome: str


@record
class Tally:
    """How many requests there were, with their tokens, which are estimates."""

    requests: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.answer_tokens + other.answer_tokens,
        )

    @property
    def tokens(self) -> int:
        """Those of prompts and answers together."""
        return self.prompt_tokens + self.answer_tokens


Use = Mapping[Cell, Tally]


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day's requests of one key for one model that came to one outcome."""

    day: date
    key: str
    model: str
    outcome: str
    tally: Tally


def first_hour(now: float) -> int:
    """The oldest hour that is looked back over; `now` is in seconds since the epoch."""
    return int(now // HOUR) - DAYS * 24


def together(*uses: Use) -> dict[Cell, Tally]:
    """All of them, added up."""
    total: dict[Cell, Tally] = {}
    for use in uses:
        for cell, tally in use.items():
            total[cell] = total.get(cell, Tally()) + tally
    return total


def by_key(use: Use) -> dict[str, dict[Cell, Tally]]:
    """The use of each key for itself."""
    keys: dict[str, dict[Cell, Tally]] = {}
    for cell, tally in use.items():
        keys.setdefault(cell.key, {})[cell] = tally
    return keys


def last_hour(use: Use) -> datetime | None:
    """The beginning of the last hour in which anything was asked."""
    return datetime.fromtimestamp(max(cell.hour for cell in use) * HOUR, UTC) if use else None


def by_day(use: Use, zone: tzinfo | None) -> list[DayLine]:
    """The use of each day as it is counted in `zone`, the newest day first; None is the zone of the machine."""
    days: dict[tuple[date, str, str, str], Tally] = {}
    for cell, tally in use.items():
        day = datetime.fromtimestamp(cell.hour * HOUR, zone).date()
        place = (day, cell.key, cell.model, cell.outcome)
        days[place] = days.get(place, Tally()) + tally
    ordered = sorted(days.items(), key=lambda item: (-item[0][0].toordinal(), *item[0][1:]))
    return [DayLine(*place, tally) for place, tally in ordered]


def hourly(use: Use, now: float, *, hours: int) -> list[Tally]:
    """The use of each of the last `hours` hours, the oldest first; the last is under way."""
    newest = int(now // HOUR)
    slots = [Tally()] * hours
    for cell, tally in use.items():
        place = hours - 1 - (newest - cell.hour)
        if 0 <= place < hours:
            slots[place] += tally
    return slots


def daily(lines: Iterable[DayLine], today: date) -> list[Tally]:
    """The use of each of the last DAYS days, the oldest first."""
    slots = [Tally()] * DAYS
    for line in lines:
        place = DAYS - 1 - (today - line.day).days
        if 0 <= place < DAYS:
            slots[place] += line.tally
    return slots
