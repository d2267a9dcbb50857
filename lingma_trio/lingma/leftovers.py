"""Finds and ends what a program has started and nobody watches any more.

A keeper that was killed with SIGKILL leaves orphans that are in no group of ours and nobody's children. They are known
by a variable in their environment, which every process takes from the one that starts it. Knows /proc; where there is
none (not Linux) it finds nothing.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

MARK = "LINGMA_TRIO_PROGRAM"
"""The variable; its value is another one for each start of a program."""

GIVE_UP = 3.0  # seconds; only a process in uninterruptible sleep outlives SIGKILL for so long, and nothing helps there


def kill_marked(mark: str) -> None:
    """SIGKILL to every process whose environment has `mark` at MARK, again and again until there is none.

    For a thread, as it reads all of /proc; takes GIVE_UP seconds at the most.
    """
    give_up = time.monotonic() + GIVE_UP
    while (found := _marked(f"{MARK}={mark}".encode())) and time.monotonic() < give_up:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, SIGKILL)
        time.sleep(0.005)


def _marked(variable: bytes) -> list[int]:
    """The processes that were started with this variable; one that has ended and was not reaped yet has none."""
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if variable in place.read_bytes().split(b"\0"):
                found.append(int(place.parent.name))
    return found
