"""What a program started is found by its mark and ended; nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from secrets import token_hex

import pytest

from lingma_trio.lingma.leftovers import GIVE_UP, MARK, kill_marked
from tests.lingma.support import PATIENCE

SLEEPS = "import sys, time; print('up', flush=True); time.sleep(600)"


def started(mark: str) -> subprocess.Popen[str]:
    """A process that ignores nothing and waits, with that mark."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", SLEEPS], env={**os.environ, MARK: mark}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_processes_of_one_mark_are_ended() -> None:
    """All of them and no other, were its mark the beginning of another's."""
    mark = token_hex(16)
    marked, others = [started(mark), started(mark)], [started(f"{mark}0"), started(token_hex(16))]
    try:
        kill_marked(mark)
        assert [process.wait(PATIENCE) for process in marked] == [-9, -9]
        assert [process.poll() for process in others] == [None, None]
    finally:
        for process in [*marked, *others]:
            process.kill()
            process.communicate()


def test_nothing_to_end_is_no_fault() -> None:
    """It returns at once."""
    began = time.monotonic()
    kill_marked(token_hex(16))
    assert time.monotonic() - began < GIVE_UP
