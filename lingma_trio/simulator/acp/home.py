"""The files of one simulated agent, below its HOME: what it was sent, and how often it has failed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Home:
    """One account's, over all processes that it has had. `record` is the file for `note`, empty for none."""

    def __init__(self, path: Path, *, record: str = "") -> None:
        self._path = path
        self._record = path / record if record else None

    def note(self, entry: Mapping[str, Any]) -> None:
        """Add a line of JSON to the record, with `at` in seconds of the system's monotonic clock, and the process."""
        if self._record is not None:
            with self._record.open("ab") as file:
                file.write(to_json({"at": time.monotonic(), "pid": os.getpid(), **entry}) + b"\n")

    def note_grandchild(self, pid: int) -> None:
        """Write down the pid of the child process, so that somebody can look whether it still lives."""
        (self._path / "simulator-grandchild").write_text(str(pid))

    def count_fault(self) -> int:
        """Return how many faults struck before this one, and count it."""
        tally = self._path / "simulator-faults"
        before = int(tally.read_text()) if tally.exists() else 0
        tally.write_text(str(before + 1))
        return before
