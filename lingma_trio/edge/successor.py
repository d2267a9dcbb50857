"""The process that is to take over, started by the one that serves so far: the same command line, as it is on disk now.

Whoever is told in VARIABLE of a descriptor has been started so, and asks there for the listening sockets.
"""

from __future__ import annotations

import os
import socket as sockets
import sys
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from lingma_trio.edge.handover import KIND, HandoverFailed, Message, say
from lingma_trio.systemd import OF_ONE_PROCESS

VARIABLE: Final = "LINGMA_TRIO_SUCCEEDS"
INITS: Final = frozenset({"tini", "docker-init", "catatonit", "dumb-init", "podman-init"})
"""The first processes of containers, which end with the one that they started."""

LAST_WORDS: Final = 1.0
END_GRACE: Final = 5.0
"""Seconds for a successor that has hung up to end by itself, and then between SIGTERM and SIGKILL."""


@dataclass(slots=True)
class Successor:
    """A process that is to take over, and the socket that it asks at. `serves` says that it has."""

    process: trio.Process
    socket: trio.socket.SocketType
    serves: bool = False


@asynccontextmanager
async def start_successor(command: Sequence[str], environ: Mapping[str, str]) -> AsyncIterator[Successor]:
    """Run `command` beside this process. One that `serves` at the end of the block goes on, and its socket is the
    caller's to close; any other is told that it is not wanted, and ended, also where the block is cancelled.

    Raises `HandoverFailed` where it cannot be started.
    """
    ours, theirs = sockets.socketpair(sockets.AF_UNIX, KIND)
    given = {name: value for name, value in environ.items() if name not in OF_ONE_PROCESS}
    given[VARIABLE] = str(theirs.fileno())
    with ExitStack() as on_failure:
        on_failure.callback(ours.close)
        try:
            with theirs:
                process = await trio.lowlevel.open_process(
                    list(command), env=given, stdin=None, pass_fds=(theirs.fileno(),)
                )
        except OSError as fault:
            raise HandoverFailed(f"a successor could not be started: {fault}") from fault
        on_failure.pop_all()
    successor = Successor(process, trio.socket.from_stdlib_socket(ours))
    try:
        yield successor
    finally:
        if not successor.serves:
            # Without a word it would take this server for dead, and serve.
            say(successor.socket, Message("refused", "the gateway goes on by itself; its log says why"))
            successor.socket.close()
            with trio.move_on_after(LAST_WORDS + 2 * END_GRACE, shield=True):
                await _end(process)


async def _end(process: trio.Process) -> None:
    """Wait for the end of a successor that is of no use, and see to it."""
    with trio.move_on_after(LAST_WORDS):
        await process.wait()
    if process.returncode is None:
        process.terminate()
        with trio.move_on_after(END_GRACE):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


def command_again() -> list[str]:
    """The command line that this process was started with."""
    return [sys.executable, *sys.orig_argv[1:]]


def started_as_successor(environ: MutableMapping[str, str]) -> sockets.socket | None:
    """The socket to ask at where this process was started to take over, for the caller to close; otherwise None.

    Takes it out of `environ`, so that no child has it. To be called once.
    """
    descriptor = environ.pop(VARIABLE, "")
    if not descriptor.isdecimal():
        return None
    os.set_inheritable(int(descriptor), False)
    return sockets.socket(fileno=int(descriptor))


def ends_a_container(pid: int, parent: str) -> bool:
    """Whether the end of the process `pid`, whose parent is a program of that name, is the end of its container."""
    return pid == 1 or parent in INITS


def parent_name() -> str:
    """The name of the program that started this process; empty where there is no telling."""
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
