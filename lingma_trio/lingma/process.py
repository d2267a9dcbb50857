"""One Lingma process: started through the keeper, its output drained, ended for certain.

Knows pipes, signals, the keeper's lines and what is left without a keeper. Does not know what the program is or says.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from secrets import token_hex
from signal import SIGKILL
from typing import TypeAlias

import trio

from lingma_trio.errors import InstanceDown
from lingma_trio.lingma.leftovers import MARK, kill_marked
from lingma_trio.threads import DISK

Pipes: TypeAlias = "trio.StapledStream[trio.lowlevel.FdStream, trio.lowlevel.FdStream]"
KEEPER = Path(__file__).with_name("keeper.py")
OUTPUT_TAIL = 4096  # bytes of output kept to explain a crash; the rest is read and thrown away
TERM_GRACE = 5.0  # seconds between SIGTERM and SIGKILL
LAST_OUTPUT = 0.2  # seconds for the output of a program that has ended to be read
KILL_GRACE = 3.0  # seconds for the keeper to report that nothing is left


class LingmaProcess:
    """A running program in a session and process group of its own. Made and ended by `open_process`."""

    def __init__(self, keeper: trio.Process, status: trio.lowlevel.FdStream, mark: str, pipes: Pipes | None) -> None:
        self._keeper = keeper
        self._status = status
        self._tail = b""
        self._reported = b""
        self._drained = trio.Event()
        self._exited = trio.Event()
        self.pid = 0
        self.mark = mark
        """What `leftovers.kill_marked` finds the program and whatever it started by."""
        self.pipes = pipes
        """The program's stdin and stdout, where it is one that is talked to over them; closed with the process."""
        self.exit_status: int | None = None

    def __repr__(self) -> str:
        return f"<LingmaProcess pid={self.pid} exit_status={self.exit_status}>"

    @property
    def tail(self) -> str:
        """The last few KiB the program wrote to stdout and stderr, or to stderr alone where its stdout is one of
        `pipes`. May hold anything the program chose to print.
        """
        return self._tail.decode("utf-8", "replace").strip()

    async def wait(self) -> int:
        """Wait for the end; returns the exit status, negative for a signal. Cancelling leaves the program running."""
        await self._exited.wait()
        assert self.exit_status is not None
        return self.exit_status

    async def stop(self, grace: float = TERM_GRACE) -> None:
        """SIGTERM to the group, `grace` seconds, then SIGKILL to everything the program started.

        Returns once the keeper has seen the last of it. Cancelling stops the waiting and leaves the program with the
        keeper, which kills it when the gateway's end of the pipe closes.
        """
        with trio.move_on_after(grace):
            await self._order(b"T")
            await self._exited.wait()
        if not self._exited.is_set():
            await self._order(b"K")
            await self._exited.wait()

    async def _order(self, letter: bytes) -> None:
        assert self._keeper.stdin is not None
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._keeper.stdin.send_all(letter)

    async def drain(self) -> None:
        """Read the program's output for ever, so that it can never block on a full pipe."""
        assert self._keeper.stdout is not None
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for chunk in self._keeper.stdout:
                self._tail = (self._tail + chunk)[-OUTPUT_TAIL:]
        self._drained.set()

    async def _read_report(self) -> tuple[str, str]:
        """The keeper's next line as word and rest; two empty strings when the keeper is gone."""
        while b"\n" not in self._reported:
            try:
                chunk = await self._status.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                chunk = b""
            if not chunk:
                return "", ""
            self._reported += chunk
        line, _, self._reported = self._reported.partition(b"\n")
        word, _, rest = line.decode("utf-8", "replace").partition(" ")
        return word, rest

    async def started(self) -> None:
        """Wait until the program runs."""
        word, rest = await self._read_report()
        if word != "pid":
            raise InstanceDown(f"could not be started: {rest or 'the keeper process ended at once'}")
        self.pid = int(rest)

    async def follow(self) -> None:
        """Wait for the keeper's last word; a keeper that ends without one leaves the killing to us."""
        if self._exited.is_set():
            return
        word, rest = await self._read_report()
        if word == "exit":
            # Its last output may still be on its way; a stranger that holds the pipe open must not hold this up.
            with trio.move_on_after(LAST_OUTPUT):
                await self._drained.wait()
            self.exit_status = int(rest)
        else:
            await self._kill()
        self._exited.set()

    async def _kill(self) -> None:
        """End the program and all that it started without the keeper."""
        if self.pid:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, SIGKILL)
        await DISK.run(kill_marked, self.mark)
        self.exit_status = -SIGKILL

    async def end(self, grace: float) -> None:
        """Stop the program, then the keeper, and close every pipe; takes `grace` + KILL_GRACE seconds at the most.

        Where the keeper does nothing in them, as one that is frozen, it takes as many more as `kill_marked` does.
        """
        with trio.move_on_after(grace + KILL_GRACE) as patience:
            if self.pid:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.drain, name="output drain")
                    nursery.start_soon(self.follow, name="keeper")
                    await self.stop(grace)
                    nursery.cancel_scope.cancel("the process has ended")
            else:
                await self._dismiss()
        self._keeper.kill()
        await self._keeper.wait()
        if patience.cancelled_caught:
            await self._kill()
        for stream in (self._keeper.stdin, self._keeper.stdout, self._status, self.pipes):
            if stream is not None:
                await stream.aclose()

    async def _dismiss(self) -> None:
        """Let a keeper that has not reported end by itself.

        It may have started the program all the same, and killing the keeper would leave that running.
        """
        assert self._keeper.stdin is not None
        await self._keeper.stdin.aclose()
        await self._keeper.wait()


@asynccontextmanager
async def open_process(
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    grace: float = TERM_GRACE,
    talks: bool = False,
) -> AsyncIterator[LingmaProcess]:
    """Run `command` for the length of the block; on the way out nothing of it is left, within `grace` + 3 seconds, or
    3 more where its keeper does nothing in them.

    `command[0]` is an absolute path. A program that `talks` is talked to over `LingmaProcess.pipes`, and gets rid of
    the supplementary groups of this process where it may. Raises `InstanceDown` when it cannot be started. The
    program's end does not end the block: wait for it with `LingmaProcess.wait`. Cancelling the block ends the program
    as leaving it does.
    """
    process = await _start_keeper(command, directory, environment, talks=talks)
    try:
        await process.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(process.drain, name="output drain")
            nursery.start_soon(process.follow, name="keeper")
            yield process
            nursery.cancel_scope.cancel("the block is over")
    finally:
        with trio.move_on_after(grace + 2 * KILL_GRACE, shield=True):
            await process.end(grace)


async def _start_keeper(
    command: Sequence[str], directory: Path, environment: Mapping[str, str] | None, *, talks: bool
) -> LingmaProcess:
    """Start the keeper, which starts the program. Cancelling leaves neither a process nor a descriptor behind."""
    mark = token_hex(16)
    with ExitStack() as on_failure, ExitStack() as handed_over:
        status, status_write = _open_pipe(on_failure, handed_over)
        passed = [status_write]
        pipes = None
        if talks:
            stdout, stdout_write = _open_pipe(on_failure, handed_over)
            stdin, stdin_read = _open_pipe(on_failure, handed_over, inwards=True)
            passed += [stdin_read, stdout_write]
            pipes = trio.StapledStream(stdin, stdout)
        ends = ",".join(map(str, passed[1:])) or "-"
        try:
            keeper = await trio.lowlevel.open_process(
                [sys.executable, "-I", "-S", str(KEEPER), str(status_write), ends, *command],
                stdin=-1,
                stdout=-1,
                stderr=-2,
                pass_fds=passed,
                start_new_session=True,
                cwd=directory,
                env={**(os.environ if environment is None else environment), MARK: mark},
            )
        except OSError as fault:
            raise InstanceDown(f"could not be started: {fault}") from fault
        on_failure.pop_all()
    return LingmaProcess(keeper, status, mark, pipes)


def _open_pipe(
    on_failure: ExitStack, handed_over: ExitStack, *, inwards: bool = False
) -> tuple[trio.lowlevel.FdStream, int]:
    """A pipe from the keeper, or to it where it goes `inwards`: our end, which is closed on failure, and the other."""
    read, write = os.pipe()
    ours, theirs = (write, read) if inwards else (read, write)
    handed_over.callback(os.close, theirs)
    stream = trio.lowlevel.FdStream(ours)
    on_failure.callback(stream.close)
    return stream, theirs
