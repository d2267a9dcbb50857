"""Sees to it that nothing outlives the login worker, and the worker not the gateway.

Knows processes and pipes. Must not know what runs in them. The browser makes process groups of its own, so that a
signal to the worker's group misses most of it; as the subreaper of its descendants the worker can find every one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphans of our descendants become our children
_REAP_SECONDS = 3.0  # SIGKILL is prompt; only a process in uninterruptible sleep takes longer, and nothing helps there


def hold(directory: Path) -> None:
    """From this call on the end of standard input ends everything, `directory` too: the gateway let go, or is gone."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    threading.Thread(target=_wait_for_the_end, args=(directory,), name="lifeline", daemon=True).start()


def end(directory: Path) -> NoReturn:
    """End every descendant, remove `directory` and exit at once."""
    _kill_descendants()
    shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)


def _wait_for_the_end(directory: Path) -> NoReturn:
    # Not through sys.stdin: its buffer has a lock, which the interpreter wants when it exits.
    while os.read(0, 4096):
        pass
    _kill_descendants()
    shutil.rmtree(directory, ignore_errors=True)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _kill_descendants() -> None:
    """SIGKILL to our children, and to their orphans, who become our children, until there are none."""
    give_up = time.monotonic() + _REAP_SECONDS
    while time.monotonic() < give_up:
        for pid in _children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _children() -> list[int]:
    """Direct children, of whichever of our threads."""
    found = []
    for listing in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += [int(pid) for pid in listing.read_text().split()]
    return found
