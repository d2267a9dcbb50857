"""The simulator as a process: its socket, its ready file, its signals and the faults a process can have.

Knows the operating system; must not know what clients say.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from lingma_trio.simulator.files import WorkDirectory
from lingma_trio.simulator.mischief import flood_stderr, heed, leave_grandchild
from lingma_trio.simulator.service import SimulatedLingma

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lingma_trio.simulator.knobs import Knobs

HOST: Final = "127.0.0.1"
GOODBYE: Final = 0.5
"""Seconds that clients get to take in the close frame."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What the command line asks for. A port of 0 lets the system choose.

    The ready file tells which `socket_port` it is, and each login link which `http_port`.
    """

    work_dir: Path
    socket_port: int
    http_port: int = 0
    endpoint: str = ""


async def run(
    launch: Launch,
    knobs: Knobs,
    *,
    crash: Callable[[], None],
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Be a Lingma until SIGTERM, SIGINT or a client's `exit`; `started` reports the port once it listens.

    Raises OSError when the port cannot be had. Cancelling breaks every connection off and ends at once. Needs the main
    thread, for the signals.
    """
    directory = WorkDirectory(launch.work_dir)
    machine_id = directory.prepare()
    lingma = SimulatedLingma(
        knobs,
        directory=directory,
        machine_id=machine_id,
        crash=crash,
        endpoint=launch.endpoint,
    )
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        _misbehave_at_start(lingma, knobs, directory)
        (listener,) = await trio.open_tcp_listeners(launch.socket_port, host=HOST)
        async with listener, await _listen_for_browsers(lingma, launch.http_port) as site:
            lingma.strike("crash_before_info")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(heed, signals, knobs, lingma.leaving)
                nursery.start_soon(lingma.play)
                await nursery.start(trio.serve_listeners, lingma.serve, [listener])
                await nursery.start(trio.serve_listeners, lingma.site.serve, [site])
                port: int = listener.socket.getsockname()[1]
                nursery.start_soon(_announce, directory, knobs, port)
                task_status.started(port)
                await lingma.leaving.wait()
                with trio.move_on_after(GOODBYE):
                    await lingma.say_goodbye()
                nursery.cancel_scope.cancel("told to leave")
    directory.log("Server stopped")


async def _listen_for_browsers(lingma: SimulatedLingma, port: int) -> trio.SocketListener:
    """Open the sign-in site's port and tell `lingma` which it is."""
    (listener,) = await trio.open_tcp_listeners(port, host=HOST)
    lingma.http_port = listener.socket.getsockname()[1]
    return listener


async def _announce(directory: WorkDirectory, knobs: Knobs, port: int) -> None:
    """Write the ready file as the knobs ask."""
    if knobs.info == "one_line_first":
        directory.write_first_line(port)
    await trio.sleep(knobs.info_delay)
    directory.write_info(knobs.info, port)
    directory.log(f"Communication servers ready - WebSocket: {port}")


def _misbehave_at_start(lingma: SimulatedLingma, knobs: Knobs, directory: WorkDirectory) -> None:
    lingma.strike("crash_start")
    if knobs.info == "stale":
        directory.write_stale_info()
    if (grandchild := leave_grandchild(knobs)) is not None:
        directory.note_grandchild(grandchild)
    flood_stderr(knobs)
