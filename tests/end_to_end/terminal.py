"""A program on a terminal of its own, and somebody who reads and types there.

Knows pseudo-terminals and processes; must not know what is said.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select

PATIENCE = 60.0
"""Seconds after which a program on a busy machine has failed."""

IN_CHARGE = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Has standard input be the terminal of its session, so that Ctrl-C is heard, and becomes the program."""

ENDED = 10.0
"""Seconds that a program has to end by itself when its terminal is gone."""


class Terminal:
    """One program's terminal. `typed` counts the lines that were typed."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.typed = 0
        self.screen = ""
        self._master = master
        self._read = 0

    def until(self, pattern: str) -> re.Match[str]:
        """Read on until the pattern is there, beyond what was found before."""
        give_up = time.monotonic() + PATIENCE
        while (found := re.compile(pattern).search(self.screen, self._read)) is None:
            assert time.monotonic() < give_up, self.screen
            assert self._receive(), f"no {pattern!r} in:\n{self.screen}"
        self._read = found.end()
        return found

    def type(self, line: str) -> None:
        """Type a line, with Enter at its end."""
        self.typed += 1
        self.press(f"{line}\r")

    def press(self, keys: str) -> None:
        r"""Press keys: `\x03` is Ctrl-C, `\x04` Ctrl-D."""
        os.write(self._master, keys.encode())

    def exit_status(self) -> int:
        """Read to the end, and wait for the program's."""
        while self._receive():
            pass
        return self.process.wait(PATIENCE)

    def _receive(self) -> bool:
        ready, _, _ = select([self._master], [], [], PATIENCE)
        try:
            piece = os.read(self._master, 65536) if ready else b""
        except OSError:  # as Linux has it where the program has closed its end
            piece = b""
        self.screen += piece.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(piece)


@contextmanager
def on_a_terminal(command: Sequence[str], *, directory: Path, environment: Mapping[str, str]) -> Iterator[Terminal]:
    """The program on a terminal for the length of the block; what still runs then is ended."""
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", IN_CHARGE, *command],
            cwd=directory,
            env={**environment, "TERM": "xterm"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
    finally:
        os.close(slave)
    with process:
        try:
            yield Terminal(process, master)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(ENDED)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            os.close(master)
