"""Use, counted: added up, by day of a place on Earth, by hour, and no further back than a month."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from lingma_trio.policy.use import (
    DAYS,
    HOUR,
    Cell,
    DayLine,
    Tally,
    by_day,
    by_key,
    daily,
    first_hour,
    hourly,
    last_hour,
    together,
)

NOON = 473_000 * HOUR + 12 * HOUR
HERE = int(NOON // HOUR)


def cell(hour: int, outcome: str = "ok") -> Cell:
    return Cell(hour, "ann", "qwen", outcome)


def test_counts_add_up() -> None:
    """Those of the same place, and only those."""
    total = together({cell(1): Tally(1, 10, 20)}, {cell(1): Tally(2, 1, 2), cell(2): Tally(1)})
    assert total == {cell(1): Tally(3, 11, 22), cell(2): Tally(1)}
    assert total[cell(1)].tokens == 33


def test_day_is_that_of_the_place() -> None:
    """An hour before midnight in one zone is the next day in another."""
    late = Cell(23, "ann", "qwen", "ok")
    assert by_day({late: Tally(1)}, UTC) == [DayLine(date(1970, 1, 1), "ann", "qwen", "ok", Tally(1))]
    (line,) = by_day({late: Tally(1)}, timezone(timedelta(hours=8)))
    assert line.day == date(1970, 1, 2)


def test_newest_day_comes_first() -> None:
    """And within a day the lines are in order, hours added up."""
    lines = by_day({cell(1): Tally(1), cell(2): Tally(1), cell(25): Tally(1), cell(26, "cancelled"): Tally(1)}, UTC)
    assert [(line.day.day, line.outcome, line.tally.requests) for line in lines] == [
        (2, "cancelled", 1),
        (2, "ok", 1),
        (1, "ok", 2),
    ]


def test_hours_end_with_the_one_under_way() -> None:
    """What is older than asked for is in none."""
    slots = hourly({cell(HERE): Tally(1), cell(HERE - 2): Tally(2), cell(HERE - 3): Tally(9)}, NOON + 5, hours=3)
    assert [tally.requests for tally in slots] == [2, 0, 1]


def test_days_end_with_today() -> None:
    """A month of them, and nothing of before."""
    today = date(2026, 11, 29)
    lines = [DayLine(today - timedelta(days=ago), "ann", "qwen", "ok", Tally(ago + 1)) for ago in (0, DAYS - 1, DAYS)]
    slots = daily(lines, today)
    assert (len(slots), slots[-1].requests, slots[0].requests) == (DAYS, 1, DAYS)
    assert sum(tally.requests for tally in slots) == DAYS + 1
    assert first_hour(NOON) == HERE - DAYS * 24


def test_each_key_has_its_own_use_and_last_hour() -> None:
    """The beginning of the hour, in UTC; a key that asked nothing has none."""
    use = {Cell(hour, key, "qwen", "ok"): Tally(1) for hour, key in ((7, "ann"), (9, "ann"), (8, "bob"))}
    keys = by_key(use)
    assert {key: len(own) for key, own in keys.items()} == {"ann": 2, "bob": 1}
    assert last_hour(keys["ann"]) == datetime(1970, 1, 1, 9, tzinfo=UTC)
    assert last_hour({}) is None
