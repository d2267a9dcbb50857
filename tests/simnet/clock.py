"""The time of a simulation: it stands still while anybody can go on, and then is when the next thing happens.

What happens by itself, as a packet arrives, stands in an agenda and not in tasks that sleep: the loop then goes round
once for it, where a task that waits for it takes three rounds and a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

import trio

from lingma_trio.threads import DISK, NAMES, WORK

LONG = 3600.0  # seconds of real time; a thread that is done ends the wait before


class Agenda:
    """What is to be done, and when."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._news = trio.Event()

    def __repr__(self) -> str:
        return f"<Agenda due={len(self._due)}>"

    @property
    def soonest(self) -> float:
        """When the next thing is to be done; infinity where there is none."""
        return self._due[0][0] if self._due else math.inf

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Have something done at that time. It must not raise: nobody could be told."""
        heappush(self._due, (when, next(self._numbers), act))
        if self._due[0][0] == when:
            self._news.set()

    def do(self, now: float) -> None:
        """Do everything that is due."""
        while self._due and self._due[0][0] <= now:
            heappop(self._due)[2]()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do everything in its time, for ever, as a task; for a run whose clock is another than `SimulatedClock`."""
        task_status.started()
        while True:
            self._news = trio.Event()
            with trio.move_on_at(self.soonest):
                await self._news.wait()
            self.do(trio.current_time())


class SimulatedClock(trio.abc.Clock):
    """Goes on to the next deadline, or to what stands in its `agenda`, once no task can go on and no thread is at work.

    It does not know of `wait_all_tasks_blocked`, which wants trio's own `MockClock`.
    """

    def __init__(self) -> None:
        self.agenda = Agenda()
        self._now = 0.0
        self._limiters: tuple[trio.CapacityLimiter, ...] = ()

    def __repr__(self) -> str:
        return f"<SimulatedClock {self._now:.6f} {self.agenda!r}>"

    def start_clock(self) -> None:
        """It needs no start."""

    def current_time(self) -> float:
        """Seconds since the run began."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Be later; trio asks for this when no task can go on, with the next deadline. Returns how long to wait."""
        disk, names, work = self._limiters or self._find_limiters()
        if disk.borrowed_tokens or names.borrowed_tokens or work.borrowed_tokens:
            return LONG
        then = min(deadline, self.agenda.soonest)
        if then == math.inf:
            return LONG
        self._now = max(self._now, then)
        self.agenda.do(self._now)
        return 0.0

    def _find_limiters(self) -> tuple[trio.CapacityLimiter, ...]:
        """Look the threads of this run up once."""
        self._limiters = tuple(threads.limiter for threads in (DISK, NAMES, WORK))
        return self._limiters


def agenda_of_this_run() -> Agenda:
    """That of the clock. Raises TypeError where it has none."""
    clock = trio.lowlevel.current_clock()
    if not isinstance(clock, SimulatedClock):
        raise TypeError(f"{clock!r} has no agenda: have one run as a task")
    return clock.agenda
