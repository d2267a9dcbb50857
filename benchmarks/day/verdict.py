"""What a day's figures say: its hours, its slope of memory, and the table.

Pure: samples in, rows out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.day.watch import Sample
from benchmarks.figures import Target, number, percentile

HOURS = 24
PARTS = 12
"""Parts of an hour. Of the figures of the half of them in which the gateway waited least for a processor the median
counts: what else the machine does is not the gateway's.
"""
BUSY = 0.1
"""The part of its time that the gateway may wait for a processor before its waits are in doubt."""

STEP = 100_000
SLOPE = Target(1.0)  # MB for each STEP of requests
DRIFT = Target(1.10)  # p99 of the last hour by that of the first
LOG = Target(500.0)  # bytes of log for each request
LINE = Target(1000.0)  # bytes of the log's longest line, whatever a client sent
LEAST = 20_000
"""Requests below which neither slope nor drift is judged: they would be those of the first minute."""


@dataclass(slots=True)
class Tick:
    """Some requests in a row: the milliseconds of the short ones, the gateway's MB, and the seconds that it ran, and
    waited to run.
    """

    first: list[float]
    whole: list[float]
    resident: float
    ran: float
    waited: float


@dataclass(slots=True)
class Found:
    """All that is known when a day is over.

    `ticks` are of `tick` requests each, and a sample stands behind each `every` of them. `room` is for so many answers,
    and `killed` counts the lives that were to end so far, of `lives`.
    """

    requests: int
    tick: int
    every: int
    lives: int
    room: int
    ticks: list[Tick] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    cut: int = 0
    seconds: float = 0.0
    longest: int = 0
    left: list[str] = field(default_factory=list)
    status: int = 0
    killed: int = 0

    @property
    def done(self) -> int:
        """Requests up to the last sample."""
        return len(self.samples) * self.tick * self.every

    @property
    def slices(self) -> list[tuple[Sample, list[Tick]]]:
        """Each sample, with the ticks before it."""
        return [
            (sample, self.ticks[place * self.every : (place + 1) * self.every])
            for place, sample in enumerate(self.samples)
        ]


@dataclass(frozen=True, slots=True)
class Judged:
    """A row: what was seen, and whether it will do; None where there was too little to judge."""

    what: str
    seen: str
    asked: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        return self.what, self.seen, self.asked, {True: "met", False: "MISSED", None: ""}[self.met]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between any two points: a few wild ones change little (Theil and Sen)."""
    found = [
        (later - earlier) / (end - begin)
        for place, (begin, earlier) in enumerate(points)
        for end, later in points[place + 1 :]
    ]
    return median(found) if found else 0.0


def share(ticks: Sequence[Tick]) -> float:
    """The part of its time for which the gateway waited for a processor."""
    ran, waited = (sum(getattr(tick, name) for tick in ticks) for name in ("ran", "waited"))
    return waited / (ran + waited) if waited else 0.0


def hour(ticks: Sequence[Tick], *, last: bool) -> list[list[Tick]]:
    """The quieter half of the parts of the first or the last hour of a day."""
    size = max(len(ticks) // HOURS, 1)
    chosen = ticks[-size:] if last else ticks[:size]
    each = max(size // PARTS, 1)
    parts = [list(chosen[begin : begin + each]) for begin in range(0, size, each)]
    return sorted(parts, key=share)[: (len(parts) + 1) // 2]


def p99(parts: Sequence[Sequence[Tick]], name: str) -> float:
    """The median of the parts' p99."""
    waits = [[wait for tick in part for wait in getattr(tick, name)] for part in parts]
    return median(percentile(part, 99) for part in waits if part)


def judge(found: Found) -> list[Judged]:
    """The rows."""
    warm = min(STEP, found.done // 2)
    ends = [(place * found.tick * found.every, ticks) for place, (_, ticks) in enumerate(found.slices, 1)]
    steepness = slope([(end / STEP, median(tick.resident for tick in ticks)) for end, ticks in ends if end >= warm])
    size = found.samples[-1].log / found.done
    restarts = found.samples[-1].restarts
    return [
        Judged("requests", f"{found.done:,} in {found.seconds:,.0f} s, {found.cut:,} left by their clients"),
        # Who is ended while it starts has not begun a life.
        Judged("lives ended", f"{restarts:,}", f">= {found.killed * 9 // 10:,}", restarts >= found.killed * 9 // 10),
        _at_most("wrong answers", len(found.wrong), 0),
        _at_most("answers that a life's end took, visibly", sum(found.outcomes.values()), found.killed * found.room),
        Judged(
            f"MB for each {STEP:,} requests, after the first {warm:,}",
            f"{steepness:.2f}",
            f"<= {SLOPE.limit:g}",
            SLOPE.is_met(steepness) if found.done >= LEAST else None,
        ),
        *_drifts(found),
        Judged("bytes of log for each request", f"{size:.0f}", f"<= {LOG.limit:g}", LOG.is_met(size)),
        Judged(
            "bytes of the log's longest line", f"{found.longest:,}", f"<= {LINE.limit:g}", LINE.is_met(found.longest)
        ),
        Judged("left behind", ", ".join(found.left) or "nothing", "nothing", not found.left),
        Judged("exit status", str(found.status), "0", found.status == 0),
    ]


def _drifts(found: Found) -> Iterator[Judged]:
    early, late = hour(found.ticks, last=False), hour(found.ticks, last=True)
    busy = max(share([tick for part in parts for tick in part]) for parts in (early, late))
    for name, what in (("first", "first texts"), ("whole", "whole answers")):
        before, after = p99(early, name), p99(late, name)
        yield Judged(
            f"p99 of {what}, first hour and last, ms",
            f"{before:.1f} and {after:.1f}: {after / before:.2f}"
            + (f"; waited for a processor {busy:.0%} of the time" if busy > BUSY else ""),
            f"<= {DRIFT.limit:g}",
            DRIFT.is_met(after / before) if found.done >= LEAST else None,
        )


def _at_most(what: str, seen: int, most: int) -> Judged:
    return Judged(what, f"{seen:,}", f"<= {most:,}", seen <= most)


HEADS = (
    "requests", "MB", "MB behind", "first p50", "p99 ms", "whole p50", "p99 ms", "CPU us", "waits", "log MB", "kept kB",
    "descriptors", "threads", "tasks", "in flight", "queued", "sessions", "lives",
)  # fmt: skip


def rows(found: Found) -> list[tuple[str, ...]]:
    """What was seen in each slice, in the columns of HEADS."""
    lines = []
    for place, (sample, ticks) in enumerate(found.slices, 1):
        waits = [[wait for tick in ticks for wait in getattr(tick, name)] for name in ("first", "whole")]
        percentiles = [number(percentile(each, percent)) if each else "" for each in waits for percent in (50, 99)]
        lines.append(
            (
                f"{place * found.tick * found.every:,}",
                f"{median(tick.resident for tick in ticks):.1f}",
                f"{sample.behind:.1f}",
                *percentiles,
                number(sum(tick.ran for tick in ticks) / found.tick / found.every * 1e6),
                f"{share(ticks):.0%}",
                f"{sample.log / 1e6:.1f}",
                f"{sample.kept / 1e3:.0f}",
                *map(str, (sample.descriptors, sample.threads, sample.tasks, sample.in_flight, sample.queued)),
                *map(str, (sample.sessions, sample.restarts)),
            )
        )
    return lines


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows as a table that reads well as it is and as Markdown."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (heads, *rows)
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
