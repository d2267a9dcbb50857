"""Runs under a seed: which task goes first, how long a packet takes and what fails are all drawn from it.

Hypothesis, which all our tests load, has Trio put each batch of tasks into an order of its generator's and not of the
tasks' addresses; so one seed is one run, at this commit and on this Python.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeVar

import trio
from hypothesis.internal.entropy import deterministic_PRNG
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from lingma_trio.threads import DISK, NAMES, WORK
from tests.simnet.clock import SimulatedClock

T = TypeVar("T")

GLANCE = 0.001  # seconds between two looks at threads
LAST_LINES = 60  # of the log of a run that failed
SEEDS = "SIMNET_SEEDS"
"""The variable that says which seeds are tried: `10000` for so many from 0 on, `100-199` for those, `17,` for that one,
`17,23` for some."""


def chosen_seeds(default: int) -> list[int]:
    """Which seeds a test tries: `default` from 0 on, ten times that in a long run, or what SIMNET_SEEDS says."""
    wanted = os.environ.get(SEEDS, "")
    if "," in wanted:
        return [int(each) for each in wanted.split(",") if each.strip()]
    if "-" in wanted:
        first, last = map(int, wanted.split("-"))
        return list(range(first, last + 1))
    usual = 10 * default if os.environ.get("LONG_TESTS") else default
    return list(range(int(wanted or usual)))


class ThreadsFirst(trio.abc.Instrument):
    """Has the loop wait for threads before it goes on, so that how long one takes decides nothing."""

    def __init__(self) -> None:
        self._seen: set[object] = set()
        self._limiters: tuple[trio.CapacityLimiter, ...] = ()

    def before_run(self) -> None:
        """Look the threads of this run up once: nothing here happens as often as the loop's looking for I/O."""
        self._limiters = tuple(threads.limiter for threads in (DISK, NAMES, WORK))

    def before_io_wait(self, timeout: float) -> None:
        """Return once every thread that was started has said that it is done.

        Who has a place among the threads starts one in its next step, so only those count who had it a wait ago.
        """
        del timeout
        disk, names, work = self._limiters
        if not (disk.borrowed_tokens or names.borrowed_tokens or work.borrowed_tokens):
            self._seen.clear()
            return
        having = {each for limiter in self._limiters for each in limiter.statistics().borrowers}
        started = len(having & self._seen)
        self._seen = having
        while started and trio.lowlevel.current_statistics().run_sync_soon_queue_size < started:
            time.sleep(GLANCE)
        if started:
            time.sleep(GLANCE)  # they wake the loop after that


def run_seeded(
    seed: int, scene: Callable[[random.Random], Awaitable[T]], clock: Callable[[], trio.abc.Clock] = SimulatedClock
) -> T:
    """Run a scene under a clock that jumps to whatever is next; all chance in it comes from the seed.

    What it logs is kept to itself, and told with what it raises.
    """
    with deterministic_PRNG(seed), capture_logs([merge_contextvars, _stamp]) as lines:
        try:
            return trio.run(scene, random.Random(seed), clock=clock(), instruments=[ThreadsFirst()])
        except BaseException as fault:
            fault.add_note("\n".join(map(str, lines[-LAST_LINES:])))
            raise


def _stamp(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {"at": round(trio.current_time(), 4), **event}


def try_seeds(
    seeds: Iterable[int],
    scene: Callable[[random.Random], Awaitable[object]],
    name: str,
    clock: Callable[[], trio.abc.Clock] = SimulatedClock,
) -> None:
    """Run a scene under one seed after the other. The first that fails is named in a note of what it raised."""
    for seed in seeds:
        try:
            run_seeded(seed, scene, clock)
        except BaseException as fault:
            fault.add_note(f"seed {seed}; again with: SIMNET_SEEDS={seed}, .venv/bin/python -m pytest {name}")
            raise
