"""A program on a terminal of its own, and what a person there would type and read.

Knows pseudo-terminals and how programs paint on them; must not know any program.
"""

from __future__ import annotations

import fcntl
import math
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIZE = struct.pack("HHHH", 50, 160, 0, 0)
_PIECE = 65536
_POLL = 0.2  # seconds
_REPEAT = 5.0  # seconds
# What moves the cursor and colours text, and titles of windows.
_PAINT = re.compile(rb"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]|\x1b[=>]")


class Terminal:
    """The person's side of the terminal of `process`."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self._end = end
        self._painted = b""

    @property
    def text(self) -> str:
        """Everything that was painted so far, without its colours and places, and without blanks.

        Programs paint only what changed: a blank that was there already is not painted again.
        """
        return "".join(_PAINT.sub(b"", self._painted).decode(errors="replace").split())

    def type(self, text: str) -> None:
        """Type some text; a carriage return is Enter."""
        os.write(self._end, text.encode())

    def until(self, words: str, patience: float, *, press: str = "") -> None:
        """Read until `words` were painted, and press a key now and then: a program that is busy may not heed it.

        Raises TimeoutError after `patience` seconds, and where the program ends first.
        """
        wanted = "".join(words.split())
        give_up = time.monotonic() + patience
        pressed = -math.inf
        while wanted not in self.text:
            if press and time.monotonic() > pressed + _REPEAT:
                pressed = time.monotonic()
                self.type(press)
            if time.monotonic() > give_up or not self._read():
                msg = f"never on the terminal: {words}\n{self.text}"
                raise TimeoutError(msg)

    def _read(self) -> bool:
        """Take what is there; False where the program has closed the terminal."""
        if select.select([self._end], [], [], _POLL)[0]:
            try:
                self._painted += os.read(self._end, _PIECE)
            except OSError:  # how Linux says that nobody holds the other end
                return False
        return True


@contextmanager
def on_terminal(command: list[str], **more: Any) -> Iterator[Terminal]:  # noqa: ANN401 - what Popen takes
    """A program on a terminal for the length of the block; it is killed at its end."""
    ours, its = pty.openpty()
    try:
        fcntl.ioctl(its, termios.TIOCSWINSZ, _SIZE)
        with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, start_new_session=True, **more) as process:
            os.close(its)
            try:
                yield Terminal(process, ours)
            finally:
                process.kill()
    finally:
        os.close(ours)
