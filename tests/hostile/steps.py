"""Measures what code costs the loop that serves everybody: processor seconds, never wall time."""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator


class Steps(trio.abc.Instrument):
    """Watches task steps: from one checkpoint of a task to its next nobody else is served.

    Counted is this thread's own processor time, so a busy machine or another process changes nothing. `longest` is in
    seconds; `task` names the task whose step that was. `longest_of` has the longest step by the task's name.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.task = ""
        self.count = 0
        self.longest_of: dict[str, float] = {}
        self._began = time.thread_time()  # of the step that starts the watch

    def __repr__(self) -> str:
        return f"<Steps {self.count}, longest {self.longest * 1000:.1f} ms in {self.task!r}>"

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        taken = time.thread_time() - self._began
        self.count += 1
        self.longest_of[task.name] = max(taken, self.longest_of.get(task.name, 0.0))
        if taken > self.longest:
            self.longest, self.task = taken, task.name


@contextmanager
def watched_steps() -> Iterator[Steps]:
    """The task steps of the block; the first is what is left of the opening task's own."""
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    try:
        yield steps
    finally:
        trio.lowlevel.remove_instrument(steps)


class Spent:
    """What a block without checkpoints took, in seconds of this thread's processor time."""

    seconds = 0.0


@contextmanager
def processor_time() -> Iterator[Spent]:
    """Measure a block of plain code, without the collector, whose work depends on all else that there is."""
    spent = Spent()
    collecting = gc.isenabled()
    gc.disable()
    began = time.thread_time()
    try:
        yield spent
    finally:
        spent.seconds = time.thread_time() - began
        if collecting:
            gc.enable()
