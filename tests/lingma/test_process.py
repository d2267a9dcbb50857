"""A process that is drained while it runs and of which nothing is left, however its block or its gateway ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from lingma_trio.errors import InstanceDown
from lingma_trio.lingma.process import OUTPUT_TAIL, TERM_GRACE, LingmaProcess, open_process
from tests.lingma.support import (
    ENDLESS,
    PATIENCE,
    STUBBORN,
    WITH_GRANDCHILD,
    Lifeline,
    descriptors,
    open_lifelines,
    python,
    running,
)

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, trio
from pathlib import Path
from lingma_trio.lingma.process import open_process

async def main():
    async with open_process(sys.argv[1:], directory=Path.cwd()):
        await trio.sleep_forever()

trio.run(main)
"""


@asynccontextmanager
async def open_program(
    source: str, *, directory: Path, count: int = 1
) -> AsyncIterator[tuple[LingmaProcess, dict[str, Lifeline]]]:
    """A process with the lines of its `count` programs; leaving the block proves that every one of them is dead."""
    async with open_lifelines() as lifelines:
        async with open_process(python(source), directory=directory, environment=lifelines.environment) as process:
            lines = await lifelines.gather(count)
            yield process, lines
        for line in lines.values():
            await line.cut()


# --- while it runs ---------------------------------------------------------------------------------------------------


async def test_all_output_is_read_and_its_tail_kept(tmp_path: Path) -> None:
    """A program never blocks on its output, and its last words are there as soon as its end is."""
    source = """
        for _ in range(50):
            os.write(1, b"out " * 5_000)
            os.write(2, b"err " * 5_000)
        os.write(1, b"\\xff last words\\n")
    """
    with trio.fail_after(PATIENCE):
        async with open_process(python(source), directory=tmp_path) as process:
            assert await process.wait() == 0
            assert process.tail.endswith("\ufffd last words")
            assert OUTPUT_TAIL - 100 < len(process.tail) <= OUTPUT_TAIL


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("1 / 0", 1),
    ],
)
async def test_the_exit_status_is_the_programs(tmp_path: Path, source: str, status: int) -> None:
    """Its own, or the signal that ended it."""
    with trio.fail_after(PATIENCE):
        async with open_process(python(source), directory=tmp_path) as process:
            assert await process.wait() == status
            assert process.exit_status == status
        assert process.exit_status == status


async def test_a_crash_explains_itself(tmp_path: Path) -> None:
    """What a program prints when it dies is what the operator is shown."""
    with trio.fail_after(PATIENCE):
        async with open_process(python("raise OSError('no space left')"), directory=tmp_path) as process:
            await process.wait()
            assert process.tail.endswith("OSError: no space left")


async def test_the_program_has_a_session_and_an_input_of_its_own(tmp_path: Path) -> None:
    """No terminal's signals reach it, and it cannot wait for what is typed into the gateway's."""
    source = """
        print(os.getcwd(), os.environ["WORD"], os.getsid(0) == os.getpid() == os.getpgid(0), repr(sys.stdin.read()))
    """
    with trio.fail_after(PATIENCE):
        async with open_process(python(source), directory=tmp_path, environment={"WORD": "here"}) as process:
            assert await process.wait() == 0
            assert process.tail == f"{tmp_path} here True ''"


async def test_the_program_finds_no_signal_ignored(tmp_path: Path) -> None:
    """Python ignores some in itself, the keeper others, and what is ignored stays so in the program."""
    ours = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ)
    with trio.fail_after(PATIENCE):
        async with open_process(["/bin/sh", "-c", "cat /proc/self/status"], directory=tmp_path) as process:
            await process.wait()
    (ignored,) = [int(line.split()[1], 16) for line in process.tail.splitlines() if line.startswith("SigIgn:")]
    assert [number for number in ours if ignored >> (number - 1) & 1] == []


async def test_waiting_may_be_given_up(tmp_path: Path) -> None:
    """A cancelled wait leaves the program as it is."""
    async with open_program(ENDLESS, directory=tmp_path) as (process, lines):
        with trio.move_on_after(0) as patience:
            await process.wait()
        assert patience.cancelled_caught
        assert process.exit_status is None
        assert process.pid == lines["program"].pid
        assert "exit_status=None" in repr(process)


# --- one that is talked to over pipes --------------------------------------------------------------------------------


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    """Everything up to the end."""
    read = b""
    while chunk := await stream.receive_some():
        read += chunk
    return read


async def test_a_program_that_talks_has_our_pipes(tmp_path: Path) -> None:
    """What it reads is what we send, up to the end of it, and what it prints comes to us; only stderr is the tail."""
    source = "print(sys.stdin.read().upper()); print('aside', file=sys.stderr)"
    with trio.fail_after(PATIENCE):
        async with open_process(python(source), directory=tmp_path, talks=True) as process:
            assert process.pipes is not None
            await process.pipes.send_all(b"question")
            await process.pipes.send_eof()
            assert await read_all(process.pipes) == b"QUESTION\n"
            assert await process.wait() == 0
            assert process.tail == "aside"


async def test_a_program_has_no_descriptor_but_its_own_three(tmp_path: Path) -> None:
    """Nothing of ours or the keeper's is left open in it, talked to or not."""
    source = (
        "print([fd for fd in os.listdir('/proc/self/fd') if int(fd) > 2 and os.path.exists(f'/proc/self/fd/{fd}')])"
    )
    with trio.fail_after(PATIENCE):
        for talks in (False, True):
            async with open_process(python(source), directory=tmp_path, talks=talks) as process:
                said = (await read_all(process.pipes)).decode() if process.pipes is not None else ""
                await process.wait()
                assert (said + process.tail).strip() == "[]"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change groups")
async def test_a_program_that_talks_has_no_group_of_ours(tmp_path: Path) -> None:
    """What the gateway may read for a group's sake, an agent that works for clients must not."""
    ours = os.getgroups()
    os.setgroups([4242])
    try:
        with trio.fail_after(PATIENCE):
            async with open_process(python("print(os.getgroups())"), directory=tmp_path, talks=True) as process:
                assert process.pipes is not None
                assert await read_all(process.pipes) == b"[]\n"
    finally:
        os.setgroups(ours)


async def test_the_end_comes_though_a_stranger_holds_the_pipe(tmp_path: Path) -> None:
    """A grandchild in a session of its own inherits stdout; the program's exit is told all the same, and it ends."""
    async with open_lifelines() as lifelines:
        source = WITH_GRANDCHILD.replace("endless('program')", "report('program'); time.sleep(0.2); os._exit(3)")
        async with open_process(
            python(source), directory=tmp_path, environment=lifelines.environment, talks=True
        ) as process:
            lines = await lifelines.gather(2)
            assert await process.wait() == 3
            await lines["grandchild"].cut()


async def test_the_pipes_are_closed_with_the_process(tmp_path: Path) -> None:
    """As many descriptors are open afterwards as before."""
    before = descriptors()
    async with open_process(python("time.sleep(60)"), directory=tmp_path, talks=True):
        assert descriptors() > before
    with pytest.raises(InstanceDown):
        async with open_process(["/no/such/program"], directory=tmp_path, talks=True):
            pytest.fail("there is nothing to run")
    assert descriptors() == before


# --- it cannot be started --------------------------------------------------------------------------------------------


async def test_a_missing_program_is_told_by_name(tmp_path: Path) -> None:
    """The message is what the operator is shown, so it says which file is missing."""
    with pytest.raises(InstanceDown, match=r"could not be started: .*/no-such-program: No such file"):
        async with open_process([str(tmp_path / "no-such-program")], directory=tmp_path):
            pytest.fail("there is nothing to run")


async def test_a_file_that_is_no_program_is_told_so(tmp_path: Path) -> None:
    """Archives do not keep the executable bit."""
    (tmp_path / "Lingma").write_bytes(b"")
    with pytest.raises(InstanceDown, match=r"/Lingma: Permission denied"):
        async with open_process([str(tmp_path / "Lingma")], directory=tmp_path):
            pytest.fail("there is nothing to run")


async def test_a_missing_directory_is_told_by_name(tmp_path: Path) -> None:
    """No process is started for it."""
    with pytest.raises(InstanceDown, match=r"could not be started: .*no-such-directory"):
        async with open_process(python("pass"), directory=tmp_path / "no-such-directory"):
            pytest.fail("there is nowhere to run")


async def test_failed_starts_leave_no_descriptor_open(tmp_path: Path) -> None:
    """A supervisor tries for ever."""
    before = descriptors()
    for command, directory in [(["/no/such/program"], tmp_path), (python("pass"), tmp_path / "missing")]:
        with pytest.raises(InstanceDown):
            async with open_process(command, directory=directory):
                pytest.fail("there is nothing to run")
    assert descriptors() == before


# --- the end ---------------------------------------------------------------------------------------------------------


async def test_a_polite_program_ends_in_its_own_way(tmp_path: Path) -> None:
    """It gets SIGTERM first, and its last words are still read."""
    source = """
        def leave(*_):
            print("goodbye", flush=True)
            os._exit(7)
        signal.signal(signal.SIGTERM, leave)
        endless("program")
    """
    async with open_program(source, directory=tmp_path) as (process, _):
        pass
    assert process.exit_status == 7
    assert process.tail == "goodbye"


async def test_a_stubborn_program_is_killed_after_the_grace(tmp_path: Path) -> None:
    """Not before, so that it has its chance, and for certain."""
    async with open_program(STUBBORN, directory=tmp_path) as (process, _):
        asked = trio.current_time()
        await process.stop(0.3)
        assert 0.3 <= trio.current_time() - asked < TERM_GRACE
        assert process.exit_status == -signal.SIGKILL


async def test_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    """Whoever comes second finds it done."""
    async with open_program(ENDLESS, directory=tmp_path) as (process, _):
        await process.stop()
        await process.stop()
        assert process.exit_status == -signal.SIGTERM


async def test_a_grandchild_in_a_session_of_its_own_ends_too(tmp_path: Path) -> None:
    """It is in nobody's process group, and ignores SIGTERM."""
    async with open_program(WITH_GRANDCHILD, directory=tmp_path, count=2) as (process, lines):
        assert os.getsid(lines["grandchild"].pid) != os.getsid(process.pid)


async def test_a_grandchild_does_not_outlive_a_crash(tmp_path: Path) -> None:
    """The program's own end, too, is told only when all it started is gone."""
    async with open_program(WITH_GRANDCHILD, directory=tmp_path, count=2) as (process, lines):
        os.kill(process.pid, signal.SIGSEGV)
        assert await process.wait() == -signal.SIGSEGV
        with pytest.raises(ProcessLookupError):
            os.kill(lines["grandchild"].pid, 0)


async def test_cancelling_the_block_ends_the_program(tmp_path: Path) -> None:
    """It is over when the cancelled block is, and the cancellation goes no further."""
    async with open_lifelines() as lifelines:
        with trio.CancelScope() as scope:
            async with open_process(python(ENDLESS), directory=tmp_path, environment=lifelines.environment) as process:
                line = (await lifelines.gather(1))["program"]
                scope.cancel("the test has seen it run")
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert process.exit_status == -signal.SIGTERM
        await line.cut()


async def test_a_fault_in_the_block_ends_the_program(tmp_path: Path) -> None:
    """And is told as it is, in the group that every nursery makes."""
    async with open_lifelines() as lifelines:
        with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="a fault")):
            async with open_process(python(ENDLESS), directory=tmp_path, environment=lifelines.environment):
                line = (await lifelines.gather(1))["program"]
                raise ValueError("a fault")
        await line.cut()


async def test_a_killed_keeper_takes_the_program_along(tmp_path: Path) -> None:
    """The gateway notices and does what the keeper cannot any more."""
    async with open_program(STUBBORN, directory=tmp_path) as (process, lines):
        os.kill(lines["program"].parent, signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL


async def test_a_killed_keeper_leaves_no_grandchild(tmp_path: Path) -> None:
    """A grandchild in a session of its own, which nobody's group reaches, is found and killed all the same."""
    async with open_program(WITH_GRANDCHILD, directory=tmp_path, count=2) as (process, lines):
        os.kill(lines["program"].parent, signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        await lines["grandchild"].cut()


async def test_a_killed_keeper_leaves_no_orphan(tmp_path: Path) -> None:
    """Nor one whose parent has ended, so that it is nobody's child any more."""
    source = """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                endless("orphan")
            os._exit(0)
        endless("program")
    """
    async with open_program(source, directory=tmp_path, count=2) as (process, lines):
        os.kill(lines["program"].parent, signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        await lines["orphan"].cut()


async def test_a_frozen_keeper_leaves_nothing(tmp_path: Path) -> None:
    """What it cannot be told to do is done without it."""
    async with open_lifelines() as lifelines:
        command = python(WITH_GRANDCHILD)
        async with open_process(command, directory=tmp_path, environment=lifelines.environment, grace=0.1):
            lines = await lifelines.gather(2)
            os.kill(lines["program"].parent, signal.SIGSTOP)
        for line in lines.values():
            await line.cut()


async def test_a_killed_keeper_costs_nobody_else(tmp_path: Path) -> None:
    """Another program goes on, its grandchild too."""
    async with open_program(WITH_GRANDCHILD, directory=tmp_path, count=2) as (other, others):
        async with open_program(ENDLESS, directory=tmp_path) as (process, lines):
            os.kill(lines["program"].parent, signal.SIGKILL)
            await process.wait()
        assert other.exit_status is None
        os.kill(others["grandchild"].pid, 0)


async def test_a_terminated_keeper_takes_everything_along(tmp_path: Path) -> None:
    """A system that goes down sends SIGTERM to each process in no order."""
    async with open_program(WITH_GRANDCHILD, directory=tmp_path, count=2) as (process, lines):
        os.kill(lines["program"].parent, signal.SIGTERM)
        assert await process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
async def test_nothing_is_left_when_the_gateway_is_killed(tmp_path: Path, kill: Callable[[int, int], None]) -> None:
    """SIGKILL to the process that holds the block, or to its whole group, ends program, grandchild and keeper."""
    command = [sys.executable, "-c", HOLDER, *python(WITH_GRANDCHILD)]
    async with open_lifelines() as lifelines:
        environment = {**os.environ, **lifelines.environment, "PYTHONPATH": str(ROOT)}
        gateway = await trio.lowlevel.open_process(command, cwd=tmp_path, env=environment, start_new_session=True)
        lines = await lifelines.gather(2)
        keeper = os.pidfd_open(lines["program"].parent)
        kill(gateway.pid, signal.SIGKILL)
        await gateway.wait()
        for line in lines.values():
            await line.cut()
        await trio.lowlevel.wait_readable(keeper)
        os.close(keeper)


# --- cancelled anywhere on the way in --------------------------------------------------------------------------------


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope at the task's n-th step, after giving whatever runs beside us the time to get on."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self._scope = scope
        self._task = trio.lowlevel.current_task()
        self._left = step

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                time.sleep(0.1)
                self._scope.cancel("the sweep has come to this step")


async def open_and_cancel_at(step: int, command: list[str], directory: Path) -> bool:
    """Open a process and cancel at the given step; returns whether the block was reached before."""
    reached = False
    with trio.CancelScope() as scope:
        if step == 0:
            scope.cancel("the sweep begins before the first step")
        instrument = CancelAtStep(scope, step)
        trio.lowlevel.add_instrument(instrument)
        try:
            async with open_process(command, directory=directory, grace=0.1):
                reached = True
                scope.cancel("the sweep is over")
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return reached


async def test_cancelling_at_any_step_of_the_start_leaves_nothing(tmp_path: Path) -> None:
    """No process and no descriptor, also where the keeper has started the program and not told yet."""
    before = descriptors()
    for step in range(100):
        mark = f"sweep-{os.getpid()}-{step}"
        command = python("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", mark)
        with trio.fail_after(PATIENCE):
            reached = await open_and_cancel_at(step, command, tmp_path)
        assert running(mark) == []
        assert descriptors() == before
        if reached:
            return
    pytest.fail("the block was never reached")


async def test_last_words_of_a_program_that_ends_at_once_are_kept(tmp_path: Path) -> None:
    """What it printed just before its end is there as soon as the end is known."""
    for _ in range(20):
        async with open_process(["/bin/sh", "-c", "echo last words; exit 3"], directory=tmp_path) as process:
            assert (await process.wait(), process.tail) == (3, "last words")
