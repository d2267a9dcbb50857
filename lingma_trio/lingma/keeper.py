"""Runs one program and sees to it that nothing of it outlives the gateway.

A program of its own, started with `python -I -S`: standard library only, nothing of the package. It stands between
the gateway and Lingma because no signal reaches a child whose parent was killed with SIGKILL, and because the kernel's
own answer (`PR_SET_PDEATHSIG`) follows the *thread* that spawned the child, which for Trio is a worker thread that
ends after ten seconds.

    python -I -S keeper.py STATUS_FD PIPES PROGRAM [ARGUMENT ...]

stdin     `T` sends SIGTERM to the program's group, `K` kills everything at once, end of file does the same: it means
          that the gateway is gone, however that came about.
PIPES     `IN,OUT`, the descriptors that become the program's stdin and stdout, which then has no supplementary group of
          ours where those can be dropped; or `-`: its stdin is empty, and its stdout this program's own.
STATUS_FD lines: `pid N` once the program runs, `error TEXT` when it could not be started, `exit N` when it ended and
          nothing of it is left (negative: killed by that signal).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: grandchildren that made a session of their own become our children
# What this program or Python itself handles or ignores; a signal that is ignored stays so in the program.
CHANGED_SIGNALS = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)
REAP_SECONDS = 2.0  # SIGKILL is prompt; only a process in uninterruptible sleep takes longer, and nothing helps there


def adopt_orphans() -> None:
    """Ask the kernel to hand us the program's orphans; without it (not Linux) only the group is killed."""
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return


def start(program: list[str], failure: int, pipes: list[int]) -> int:
    """Fork and execute in a session of its own; a failed exec is told through the pipe `failure`."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        for number in CHANGED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        if pipes:
            for place, pipe in enumerate(pipes):
                os.dup2(pipe, place)
            drop_groups()
        else:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execv(program[0], program)
    except OSError as fault:
        os.write(failure, f"{program[0]}: {fault.strerror}".encode())
    finally:
        os._exit(127)


def drop_groups() -> None:
    """Have no supplementary group; only who may change groups can."""
    with contextlib.suppress(PermissionError):
        os.setgroups([])


def children() -> list[int]:
    """Our direct children, the adopted ones included."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as listing:
            return [int(pid) for pid in listing.read().split()]
    except OSError:
        return []


def kill_group(group: int, number: int) -> None:
    """Signal the program's group; a group that is gone is no fault."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def kill_all(group: int) -> None:
    """SIGKILL to the group and to every orphan, again and again until there is nothing left to reap."""
    give_up = time.monotonic() + REAP_SECONDS
    while time.monotonic() < give_up:
        kill_group(group, signal.SIGKILL)
        for pid in children():
            kill_group(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def reap(program: int) -> int | None:
    """Collect whatever ended; returns the program's exit status once it is among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == program:
                status = os.waitstatus_to_exitcode(ended[1])
    return status


def watch(program: int, wakeup: int) -> int:
    """Follow the program and the gateway's orders until one of them ends; returns the exit status."""
    while True:
        status = reap(program)
        if status is not None:
            return status
        ready, _, _ = select.select([0, wakeup], [], [])
        if wakeup in ready and signal.SIGTERM in os.read(wakeup, 64):
            return -signal.SIGKILL
        if 0 in ready:
            orders = os.read(0, 64)
            if not orders or b"K" in orders:
                return -signal.SIGKILL
            kill_group(program, signal.SIGTERM)


def tell(report: int, line: bytes) -> None:
    """Write a line to the gateway; one that is gone is noticed at the end of stdin, and not by dying here."""
    with contextlib.suppress(OSError):
        os.write(report, line + b"\n")


def main(arguments: list[str]) -> None:
    """Run the program named by `arguments` until it ends or the gateway does."""
    report = int(arguments[0])
    pipes = [] if arguments[1] == "-" else [int(number) for number in arguments[1].split(",")]
    for number in (report, *pipes):
        os.set_inheritable(number, False)
    adopt_orphans()
    wakeup, alarm = os.pipe()
    os.set_blocking(alarm, False)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    failed, failure = os.pipe()
    program = start(arguments[2:], failure, pipes)
    for number in (failure, *pipes):
        os.close(number)
    fault = os.read(failed, 1024)
    if fault:
        tell(report, b"error " + fault.replace(b"\n", b" "))
        os._exit(1)
    tell(report, b"pid %d" % program)
    status = watch(program, wakeup)
    kill_all(program)
    tell(report, b"exit %d" % status)


if __name__ == "__main__":
    main(sys.argv[1:])
