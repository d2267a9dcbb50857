"""The keeper alone, as it is when the gateway is already gone, or has gone astray."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import trio

from lingma_trio.lingma.process import KEEPER, open_process
from tests.lingma.support import PATIENCE, python, running


async def test_a_gateway_that_dies_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    """Neither reads what the keeper reports nor holds its input any more, and the program must not stay for it."""
    mark = f"keeper-{os.getpid()}"
    status_read, status_write = os.pipe()
    os.close(status_read)
    command = [sys.executable, "-I", "-S", str(KEEPER), str(status_write), "-", *python("time.sleep(60)", mark)]
    with trio.fail_after(PATIENCE):
        process = await trio.run_process(
            command, stdin=subprocess.DEVNULL, capture_stderr=True, pass_fds=(status_write,), cwd=tmp_path
        )
    os.close(status_write)
    assert running(mark) == []
    assert process.stderr == b""


async def test_an_orphans_end_is_not_the_programs(tmp_path: Path) -> None:
    """The keeper reaps whatever it has adopted and goes on watching."""
    source = """
        held, holder = os.pipe()
        if os.fork() == 0:
            if os.fork() == 0:
                os._exit(9)
            os._exit(0)
        os.wait()
        os.close(holder)
        os.read(held, 1)
        sys.exit(5)
    """
    with trio.fail_after(PATIENCE):
        async with open_process(python(source), directory=tmp_path) as process:
            assert await process.wait() == 5
