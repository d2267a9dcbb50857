"""What commands have in common before they begin: settings, and a process that is fit to serve for long."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.support import run
from tests.doctor.support import taken_port

IN_THREADS = """
import ctypes, threading
from lingma_trio.commands.starting import settle
settle()
library, together = ctypes.CDLL(None), threading.Barrier(4)
def allocate():
    together.wait()
    library.malloc(100_000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
library.malloc_info(0, ctypes.c_void_p.in_dll(library, "stdout"))
library.fflush(None)
"""

LEFT_FREE = """
import ctypes, os
from pathlib import Path
from lingma_trio.commands.starting import settle
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [library.malloc(50_000) for _ in range(400)]
for each in blocks: ctypes.memset(ctypes.c_void_p(each), 1, 50_000)
for each in blocks[:-1]: library.free(each)
before = resident()
settle()
print(before - resident() > 10_000_000)
"""


@pytest.mark.parametrize("command", [["bundle", "export"], ["bundle", "import", "x"], ["bootstrap"]])
def test_faulty_settings_are_told(tmp_path: Path, command: list[str]) -> None:
    """A faulty setting is printed by its name and ends the command with 2."""
    ran = run(tmp_path, *command, PORT="x")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "PORT: " in ran.stderr


@pytest.mark.parametrize("command", ["serve", "agent"])
def test_address_that_cannot_be_had_is_told_alike(tmp_path: Path, command: str) -> None:
    """Where, and why, in one line, by the gateway and the agent; at a path no port is told."""
    said = "{} cannot be listened on: {}"
    with taken_port() as port:
        ran = run(tmp_path, command, "--port", str(port), AGENT_TOKEN="a-token-of-the-test")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert said.format(f"127.0.0.1:{port}", "Address already in use") in ran.stderr.splitlines()
    nowhere = f"unix:{tmp_path}/none/socket"
    ran = run(tmp_path, command, HOST=nowhere, AGENT_TOKEN="a-token-of-the-test")
    assert ran.returncode == 3
    assert said.format(nowhere, "No such file or directory") in ran.stderr.splitlines()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library gives nothing back")
def test_what_reading_modules_left_free_goes_back_to_the_system() -> None:
    """Free memory between what stays is nobody's: 20 MB below a block that stays are not held by an idle gateway."""
    told = subprocess.check_output([sys.executable, "-c", LEFT_FREE], text=True, timeout=60)
    assert told == "True\n"


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="the C library does not tell of its heaps")
def test_threads_share_one_heap() -> None:
    """What one of them frees is there for the others; a heap for each held 7 MB after 8,000 requests."""
    told = subprocess.run([sys.executable, "-c", IN_THREADS], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.count("<heap ") == 1
