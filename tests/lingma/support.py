"""Small real programs for a process test to run, each holding a line to the test that breaks when it dies."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from textwrap import dedent

import trio

PATIENCE = 20.0  # seconds after which a test on a busy machine has failed

# What every program can use: `report` opens its line, and must be kept.
PRELUDE = """
import os, signal, socket, subprocess, sys, time

def report(name):
    line = socket.create_connection(("127.0.0.1", int(os.environ["LIFELINE_PORT"])))
    line.sendall(f"{name} {os.getpid()} {os.getppid()}\\n".encode())
    return line

def endless(name):
    line = report(name)
    while True:
        time.sleep(60)
"""

ENDLESS = "endless('program')"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN); endless('program')"
WITH_GRANDCHILD = """
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    endless('grandchild')
endless('program')
"""


def python(source: str, *arguments: str) -> list[str]:
    """The command that runs `source`, which may use the prelude."""
    return [sys.executable, "-I", "-S", "-c", PRELUDE + dedent(source), *arguments]


class Lifeline:
    """A line to a running program, which says who it is; the system cuts it when the last holder dies."""

    def __init__(self, stream: trio.SocketStream, *, name: str, pid: int, parent: int) -> None:
        self._stream = stream
        self.name = name
        self.pid = pid
        self.parent = parent

    async def cut(self) -> None:
        """Wait until the program is dead."""
        try:
            while await self._stream.receive_some():
                pass
        except trio.BrokenResourceError:
            return


class Lifelines:
    """Where the programs' lines come in. `environment` is what a program has to be started with."""

    def __init__(self, listener: trio.SocketListener, owner: AsyncExitStack) -> None:
        self._listener = listener
        self._owner = owner
        port: int = listener.socket.getsockname()[1]
        self.environment = {"LIFELINE_PORT": str(port)}

    async def gather(self, count: int) -> dict[str, Lifeline]:
        """Wait for the lines of `count` programs; return them by name."""
        lines = [await self._next() for _ in range(count)]
        return {line.name: line for line in lines}

    async def _next(self) -> Lifeline:
        stream = await self._owner.enter_async_context(await self._listener.accept())
        said = b""
        while not said.endswith(b"\n"):
            said += await stream.receive_some()
        name, pid, parent = said.decode().split()
        return Lifeline(stream, name=name, pid=int(pid), parent=int(parent))


@asynccontextmanager
async def open_lifelines() -> AsyncIterator[Lifelines]:
    """Listen for programs' lines. The block has to be over within PATIENCE."""
    with trio.fail_after(PATIENCE):
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener, AsyncExitStack() as owner:
            yield Lifelines(listener, owner)


def running(mark: str) -> list[int]:
    """The ids of the processes that have `mark` on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in line:
            found.append(int(entry.name))
    return found


def descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
