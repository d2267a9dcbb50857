"""The lifeline: when standard input ends, so does everything, whatever session it has fled to."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import trio

from tests.login.support import PATIENCE, descendants

ROOT = Path(__file__).parents[2]
PROGRAM = """
    import subprocess, sys, time
    from pathlib import Path
    from lingma_trio.login import lifeline

    lifeline.hold(Path(sys.argv[1]))
    deaf = "trap '' TERM HUP; sleep 600 & echo up; wait"
    subprocess.Popen(["sh", "-c", deaf], start_new_session=True)
    subprocess.Popen(["sh", "-c", 'sh -c "$0" &', deaf], start_new_session=True).wait()
    time.sleep(600)
"""


async def test_nothing_is_left(tmp_path: Path) -> None:
    """Neither of a child in a session of its own, nor of an orphan in another, nor of the directory."""
    directory = tmp_path / "profile"
    directory.mkdir()
    (directory / "cookies").touch()
    with trio.fail_after(PATIENCE):
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", dedent(PROGRAM), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd=ROOT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        async with process.stdout:
            said = b""
            while said.count(b"up") < 2:
                said += await process.stdout.receive_some()
            with descendants(process.pid) as processes:
                assert len(processes) == 4
                # Who starts a program is a shell until then, and has no words for a moment.
                assert {word for each in processes for word in each.command.split()[:1]} <= {"sh", "sleep"}
                await process.stdin.aclose()
                assert await process.wait() == -signal.SIGKILL
                for each in processes:
                    await each.ended()
    assert not directory.exists()
