"""Runs another program for its output. Knows processes; must not know what is asked or answered."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGKILL

import trio


@dataclass(frozen=True, slots=True)
class Reply:
    """How a program ended, and what it wrote to standard output and standard error together."""

    status: int
    output: str

    @property
    def last_line(self) -> str:
        """The last line that is not blank, where programs say what went wrong; or the empty string."""
        return next((line.strip() for line in reversed(self.output.splitlines()) if line.strip()), "")


async def ask_program(command: Sequence[str], *, environment: Mapping[str, str] | None, seconds: float) -> Reply:
    """Run `command` to its end, without input.

    Raises `OSError` when it cannot be started and `trio.TooSlowError` when it takes longer than `seconds`; that, or
    cancelling, kills it and what it started.
    """
    with trio.fail_after(seconds):
        done = await trio.run_process(
            command,
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
            env=environment,
            start_new_session=True,
            deliver_cancel=_kill_group,
        )
    return Reply(done.returncode, done.stdout.decode("utf-8", "replace"))


async def _kill_group(process: trio.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, SIGKILL)
    await trio.lowlevel.checkpoint()
