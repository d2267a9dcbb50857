"""What a process does wrong as a process, on purpose: crashes, left-over children, floods, deafness for signals."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trio

    from lingma_trio.simulator.common_knobs import CommonKnobs

GRANDCHILD_LIFE: Final = 60
"""Seconds after which a left-over grandchild ends by itself, so that a failed test leaves nothing for long."""

_STDERR: Final = 2
_FLOOD_LINE: Final = b"the simulator floods its stderr, as it was told to\n"


def crash_process(exit_code: int) -> NoReturn:
    """End the process as a crash does: nothing is flushed, nobody is told."""
    os._exit(exit_code)


async def heed(signals: AsyncIterator[int], knobs: CommonKnobs, leaving: trio.Event) -> None:
    """Set `leaving` at the first signal, or never when signals are to be ignored."""
    async for _ in signals:
        if not knobs.ignore_sigterm:
            leaving.set()


def flood_stderr(knobs: CommonKnobs) -> None:
    """Write what the knob asks for; waits, as any program would, when nobody drains the pipe."""
    for _ in range(0, knobs.stderr_flood, len(_FLOOD_LINE)):
        os.write(_STDERR, _FLOOD_LINE)


def leave_grandchild(knobs: CommonKnobs) -> int | None:
    """Start a child that nobody will wait for, where the knob wants one; return its pid.

    It holds stdout and stderr open, as such children do.
    """
    if knobs.grandchild == "none":
        return None
    child = subprocess.Popen(  # noqa: S603
        ["/bin/sleep", str(GRANDCHILD_LIFE)],
        stdin=subprocess.DEVNULL,
        start_new_session=knobs.grandchild == "own_session",
        process_group=0 if knobs.grandchild == "own_group" else None,
    )
    child.returncode = 0  # it is meant to outlive this process: nobody shall warn that it runs
    return child.pid
