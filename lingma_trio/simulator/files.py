"""The files of a work directory: the ready file, the machine's id, the login, and the logs.

Knows paths and forms; must not know sockets or what is logged.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lingma_trio.simulator.knobs import Info

PRIVATE: Final = 0o600
_SHARED: Final = "sharedClientCache"
_LOGIN: Final = b"a login of the simulator; it opens nothing\n"
_DEAD_PID: Final = 2**22 + 1
"""No process has it: Linux gives out pids below 2**22."""


class WorkDirectory:
    """One process's private directory. Made and filled where it is empty; what is there already is kept.

    Never overwrites a login: the directory might by mistake be one that a real Lingma uses.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cache = path / "cache"
        self._login = self._cache / "user"
        self._quota = self._cache / "quota"
        self._log = path / "logs" / "lingma.log"
        self._asks = path / "logs" / "asks.jsonl"

    def prepare(self) -> str:
        """Make the directories and the machine id; return the id."""
        for directory in (self._cache, self._log.parent):
            directory.mkdir(parents=True, exist_ok=True)
        machine = self._cache / "id"
        if not machine.exists():
            machine.write_text(str(uuid4()))
        return machine.read_text().strip()

    @property
    def holds_login(self) -> bool:
        """Whether a login lies here, which is all that can be told of an opaque file."""
        return self._login.exists() and self._login.stat().st_size > 0

    def keep_login(self) -> None:
        """Write a login that only its owner can read, and the quota, unless a login is there."""
        if not self.holds_login:
            self._login.touch(mode=PRIVATE)
            self._login.write_bytes(_LOGIN)
            self._quota.write_bytes(_LOGIN)

    def drop_login(self) -> None:
        """Remove the login and the quota."""
        self._login.unlink(missing_ok=True)
        self._quota.unlink(missing_ok=True)

    def write_stale_info(self) -> None:
        """Leave a ready file as a process that is long dead would have."""
        self._write_whole(self._path / ".info", _text(port=1, pid=_DEAD_PID))

    def write_first_line(self, port: int) -> None:
        """Write a ready file that is still being written: the port, and no pid yet."""
        (self._path / ".info").write_text(f"{port}\n")

    def write_info(self, form: Info, port: int) -> None:
        """Write the complete ready file in the place and form that `form` asks for; nothing for `never`."""
        pid = os.getpid()
        match form:
            case "never":
                return
            case "json":
                self._write_whole(self._path / ".info", _json(port=port, pid=pid))
            case "json_name":
                self._write_whole(self._path / ".info.json", _json(port=port, pid=pid))
            case "shared_dir":
                shared = self._path / _SHARED
                shared.mkdir(exist_ok=True)
                self._write_whole(shared / ".info", _text(port=port, pid=pid))
            case _:
                self._write_whole(self._path / ".info", _text(port=port, pid=pid))

    def log(self, line: str) -> None:
        """Add a line to the main log."""
        with self._log.open("a") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def record(self, entry: Mapping[str, Any]) -> None:
        """Add an entry to logs/asks.jsonl, with `time` in nanoseconds of the system's monotonic clock."""
        with self._asks.open("ab") as file:
            file.write(to_json({"time": time.monotonic_ns(), **entry}) + b"\n")

    def count_fault(self) -> int:
        """Return how many faults struck before this one, over all processes that used the directory, and count it."""
        tally = self._path / "simulator-faults"
        before = int(tally.read_text()) if tally.exists() else 0
        tally.write_text(str(before + 1))
        return before

    def note_grandchild(self, pid: int) -> None:
        """Write down the pid of the child process, so that somebody can look whether it still lives."""
        (self._path / "simulator-grandchild").write_text(str(pid))

    def _write_whole(self, path: Path, text: str) -> None:
        """Write a file so that nobody can read half of it."""
        draft = path.with_name(f"{path.name}.draft")
        draft.write_text(text)
        draft.replace(path)


def _text(*, port: int, pid: int) -> str:
    return f"{port}\n{pid}\n"


def _json(*, port: int, pid: int) -> str:
    return to_json({"websocketPort": port, "pid": pid, "ipcServerPath": "", "isDev": False}).decode()
