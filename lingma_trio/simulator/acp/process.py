"""The simulated agent as a process: its pipes, its environment, its signals and the faults a process can have.

Knows the operating system; must not know what its client says.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio
from trio.lowlevel import FdStream

from lingma_trio.simulator.acp.agent import SimulatedAgent
from lingma_trio.simulator.acp.client import JUNK, AcpClient
from lingma_trio.simulator.acp.home import Home
from lingma_trio.simulator.mischief import flood_stderr, heed, leave_grandchild

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingma_trio.simulator.acp.knobs import AcpKnobs

GOODBYE: Final = 0.5
"""Seconds that the client gets to read what is left."""

PAUSE: Final = 0.001
"""Seconds between two pieces of what is written in pieces."""

_STDIN: Final = 0
_STDOUT: Final = 1


async def run(knobs: AcpKnobs, *, crash: Callable[[], None]) -> None:
    """Be an agent on stdin and stdout until SIGTERM, SIGINT or the end of stdin.

    Cancelling ends at once. Needs the main thread, for the signals.
    """
    home = Home(Path.home(), record=knobs.record)
    home.note({"method": "$start", "arguments": sys.argv[1:], "variables": sorted(os.environ), "cwd": str(Path.cwd())})
    async with FdStream(_STDIN) as stdin, FdStream(_STDOUT) as stdout:
        life = trio.CancelScope()
        client = AcpClient(_InPieces(stdout, knobs.split), knobs, dropped=partial(life.cancel, "dropped"))
        token = os.environ.get(knobs.token_variable)
        agent = SimulatedAgent(knobs, client=client, record=home, crash=crash, token=token, mutter=_mutter)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            agent.strike("crash_start")
            if (grandchild := leave_grandchild(knobs)) is not None:
                home.note_grandchild(grandchild)
            flood_stderr(knobs)
            if knobs.banner:
                client.post([JUNK])
            leaving = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(heed, signals, knobs, leaving)
                nursery.start_soon(_converse, agent, client, (stdin, stdout), life, leaving)
                await leaving.wait()
                if knobs.farewell:
                    client.post([JUNK])
                with trio.move_on_after(GOODBYE):
                    await client.outbox.flushed()
                nursery.cancel_scope.cancel("told to leave")


async def _converse(
    agent: SimulatedAgent,
    client: AcpClient,
    pipes: tuple[FdStream, FdStream],
    life: trio.CancelScope,
    leaving: trio.Event,
) -> None:
    """Serve the client until it is gone; where it was dropped, close the pipes and let the process go on."""
    with life:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent.play)
            nursery.start_soon(client.outbox.write_forever)
            await agent.listen(pipes[0])
            if agent.leaves_at_eof:
                leaving.set()
    if life.cancelled_caught:
        for pipe in pipes:
            await pipe.aclose()


def _mutter(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class _InPieces(trio.abc.SendStream):
    """A stream that writes at most so many bytes at once, and lets its reader read in between; 0 is no limit."""

    def __init__(self, stream: FdStream, most: int) -> None:
        self._stream = stream
        self._most = most

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        step = self._most or len(data)
        for start in range(0, len(data), step):
            await self._stream.send_all(data[start : start + step])
            if self._most:
                await trio.sleep(PAUSE)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()
