"""A day's load, shortened: what `benchmarks.day` asks is answered rightly, and what it is to find it finds."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.day.asking import Client, Talk, Turn
from benchmarks.day.traffic import SURFACES, expected
from benchmarks.day.verdict import Found, Tick, judge
from benchmarks.day.watch import Left, Sample
from tests.end_to_end.upstreams import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

TICKS = 1000
SAMPLE = Sample(
    behind=100.0, log=40_000_000, kept=0, descriptors=30, threads=2, tasks=30, in_flight=0, queued=0, sessions=256,
    restarts=100,
)  # fmt: skip
REST = Left(slots=0, turns=0, bytes=0, lost=0, tasks=30, descriptors=30, children=6, files=set())


def day(*, slope: float = 0.0, drift: float = 0.0, busy: Callable[[int], bool] = lambda _: False) -> Found:
    """A day of 100,000 requests whose memory grows by `slope` MB, and whose waits by `drift` of themselves."""
    ticks = []
    for place in range(TICKS):
        wait = (100.0 if busy(place) else 10.0) * (1 + drift * place / TICKS)
        ticks.append(Tick([wait] * 50, [wait * 2] * 50, 80 + slope * place / TICKS, 1.0, 1.0 if busy(place) else 0.0))
    return Found(TICKS * 100, 100, 10, 100, 24, ticks, [SAMPLE] * (TICKS // 10), killed=100)


def missed(found: Found) -> list[str]:
    """The rows that are missed."""
    return [row.what.partition(",")[0] for row in judge(found) if row.met is False]


@pytest.mark.slow
def test_day_is_answered_and_leaves_nothing() -> None:
    """Every surface, kept and left by its clients, while lives end: whole and right or visibly failed, and no rest."""
    command = [sys.executable, "-m", "benchmarks.day", "--requests", "400", "--clients", "16", "--room", "12"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| met") == len([row for row in judge(day()) if row.met is not None]) - 3  # too short


def test_steady_day_will_do() -> None:
    """Whatever else the machine did in a part of an hour."""
    assert missed(day()) == []
    assert missed(day(busy=lambda place: place >= TICKS - 18)) == []


@pytest.mark.parametrize(
    ("found", "what"),
    [
        (day(slope=1.2), ["MB for each 100"]),
        (day(drift=0.12), ["p99 of first texts", "p99 of whole answers"]),
    ],
    ids=["memory", "waits"],
)
def test_day_that_gets_worse_is_seen(found: Found, what: list[str]) -> None:
    """Slowly growing memory, and slowly growing waits."""
    assert missed(found) == what


def test_what_is_left_and_lost_is_seen() -> None:
    """Answers wrong, or more of them lost than lives take, a long line, a slot, a child, a file, an exit status."""
    found = day()
    found.wrong.append("short: WRONG")
    found.outcomes["503 upstream_lost"] = 2401
    found.status = 1
    found.longest = 1001
    over = Left(slots=1, turns=0, bytes=0, lost=0, tasks=29, descriptors=30, children=7, files={"5c71/new"})
    found.left = over.over(REST)
    assert found.left == ["1 slots", "1 children", "5c71/new"]
    assert missed(found) == [
        "wrong answers",
        "answers that a life's end took",
        "bytes of the log's longest line",
        "left behind",
        "exit status",
    ]


def test_too_few_requests_are_not_judged_by_slope_and_drift() -> None:
    """Those of the first minute say nothing."""
    found = day(slope=500.0, drift=3.0)
    found.ticks, found.samples = found.ticks[:100], found.samples[:10]
    undecided = [row for row in judge(found) if row.met is None]
    assert len(undecided) == 1 + 3


def answer(questions: list[str], held: int) -> bytes:
    """A body with the answer of a session that holds the last `held` of them."""
    return b'{"message":{"content":"%b"}}' % expected(questions, held, "short")


@pytest.mark.parametrize(
    ("body", "right"),
    [
        (answer(["Is it 00000001?", "Is it 00000002?"], 2), True),
        (answer(["Is it 00000002?"], 1), True),
        (answer(["Is it 00000009?", "Is it 00000002?"], 2), False),
        (answer(["Is it 00000003?"], 1), False),
        (answer(["Is it 00000002?"], 1).replace(b'.)"', b'."'), False),
        (answer(["Is it 00000000?", "Is it 00000001?", "Is it 00000002?"], 3), False),
        (b'{"message":{"content":""}}', False),
    ],
    ids=["in the session", "in a new one", "another's session", "another's answer", "cut", "too much held", "nothing"],
)
def test_wrong_answers_are_told_from_right_ones(body: bytes, right: bool) -> None:
    """By what the session proves to hold, to the last letter."""
    talk = Talk(SURFACES["chat"], 1, [(b"q", b"a")], ["Is it 00000001?"])
    turn = Turn(talk, "Is it 00000002?", b"Is it 00000002?", "short", stream=False)
    found = turn.judge(200, body)
    assert found.startswith("WRONG: ") is not right
    assert (found == "") is right


def test_seed_says_what_is_asked() -> None:
    """The same again for the same seed, and otherwise for another or for another client."""

    def asked(seed: int, place: int) -> list[bytes]:
        client = Client(seed, place, 0.1, iter(range(1000)).__next__)
        return [client.draw().data for _ in range(200)]

    assert asked(1, 0) == asked(1, 0)
    assert asked(1, 0) != asked(2, 0)
    assert asked(1, 0) != asked(1, 1)
