"""The files through which a Lingma is found: its ready file, and our own note of what was started here.

Knows paths and process ids. The note exists because no keeper survives a SIGKILL of gateway and keeper together; the
next start reads it and ends what was left.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from signal import SIGKILL

from lingma_trio.errors import InstanceDown
from lingma_trio.lingma.leftovers import kill_marked
from lingma_trio.private_files import check_owner, open_unlinked
from lingma_trio.protocol.ready_file import CANDIDATES, ReadyFile, parse

NOTE = ".gateway-child"
FULL = frozenset((ENOSPC, EDQUOT))
_NOTED = re.compile(r"(?P<pid>\d{1,10}) (?P<started>\d{1,20})(?: (?P<mark>[0-9a-f]{32}))?\n")
MAX_NOTE = 100  # characters
MAX_READY_FILE = 64 * 1024  # bytes; a ready file has under a hundred


def prepare(work_dir: Path) -> None:
    """Make the directory, end what an earlier gateway left running in it, and remove stale ready files.

    Raises `InstanceDown` when the directory cannot be used, or is another user's.
    """
    try:
        work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_owner(work_dir)
        _end_leftover(work_dir / NOTE)
        for name in CANDIDATES:
            (work_dir / name).unlink(missing_ok=True)
    except OSError as fault:
        raise _unusable(fault) from fault


def make_workspace(place: Path) -> None:
    """Make the place in it where a session works. Raises `InstanceDown` where that cannot be had."""
    try:
        place.mkdir(exist_ok=True)
    except OSError as fault:
        raise _unusable(fault) from fault


def note_child(work_dir: Path, pid: int, mark: str = "") -> None:
    """Write down what runs here, with its start time, since a pid alone may be somebody else's tomorrow.

    `mark` is what it and all that it starts are known by, where there is one. Raises `InstanceDown` when the note
    cannot be written.
    """
    started = _start_time(pid)
    if not started:
        return
    try:
        with os.fdopen(open_unlinked(work_dir / NOTE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as note:
            note.write(f"{pid} {started} {mark}".rstrip() + "\n")
    except OSError as fault:
        raise _unusable(fault) from fault


def forget_child(work_dir: Path) -> None:
    """Nothing of ours runs here any longer."""
    with suppress(OSError):
        (work_dir / NOTE).unlink(missing_ok=True)


def read_ready(work_dir: Path, child: int) -> ReadyFile | None:
    """The ready file of the process `child`, or None while there is none that is complete and its own."""
    for name in CANDIDATES:
        with suppress(OSError):
            with (work_dir / name).open(encoding="utf-8", errors="replace") as file:
                ready = parse(file.read(MAX_READY_FILE))
            if ready is not None and _belongs(ready.pid, child):
                return ready
    return None


def _unusable(fault: OSError) -> InstanceDown:
    """Without the path, which follows from the account: anybody can read the reason in `/readyz`."""
    if fault.errno in FULL:
        return InstanceDown(
            "there is no room on the disk that its work directory is on; make some (`lingma-trio doctor` says where)"
        )
    return InstanceDown(
        f"its work directory cannot be used ({fault.strerror}); make it this user's own and writable, or set "
        "LINGMA_WORK_DIR (`lingma-trio doctor` says where it is)"
    )


def _belongs(pid: int, child: int) -> bool:
    """Whether `pid` is the child or, where LINGMA_BIN is a wrapper that forks, of the child's session."""
    if pid == child:
        return True
    with suppress(OSError):
        return os.getsid(pid) == child
    return False


def _end_leftover(note: Path) -> None:
    """End the noted process, its group and whatever has its mark, and remove the note; a process that is gone, or
    another's, is left alone.
    """
    with suppress(FileNotFoundError):
        with os.fdopen(open_unlinked(note, os.O_RDONLY), encoding="ascii", errors="replace") as file:
            noted = _NOTED.fullmatch(file.read(MAX_NOTE))
        if noted is not None and _start_time(int(noted["pid"])) == noted["started"]:
            with suppress(ProcessLookupError):
                os.killpg(int(noted["pid"]), SIGKILL)
        if noted is not None and noted["mark"]:
            kill_marked(noted["mark"])
        note.unlink()


def _start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat; empty where there is no such process or no /proc."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    return ""
