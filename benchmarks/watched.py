"""Runs the `lingma-trio` that is imported, and notes each task step that held its loop for long.

Started as a file, so that `PYTHONPATH` says which checkout runs. The first argument is the file of notes, the others
are the command's. A note is the monotonic time at which a step ended, its seconds of processor time, and its task's
name.

Beside that it is the name service of the attacks: one name leads to the pictures of the attacker, who is on this
machine and has to look like the Internet, and one is looked up for long.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from functools import partial
from typing import Any

import httpcore2
import trio

LEAST = 0.01  # seconds of a step that is worth a note
PICTURES, SLOW = "pictures.example", "slow.example"
SOMEWHERE = "8.8.8.8"
LOOK_UP = 20.0  # seconds


class Notes(trio.abc.Instrument):
    """Writes down long steps."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._began = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A step begins."""
        del task
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """It has ended."""
        taken = time.thread_time() - self._began
        if taken >= LEAST:
            os.write(self._file, f"{time.monotonic()} {taken} {task.name}\n".encode())


def _stand_in_for_the_internet() -> None:
    look_up = socket.getaddrinfo
    connect = httpcore2.TrioBackend.connect_tcp

    def getaddrinfo(host: Any, port: Any, *more: Any, **options: Any) -> Any:  # noqa: ANN401 - as the library has it
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name.endswith(SLOW):
            time.sleep(LOOK_UP)
            raise socket.gaierror(socket.EAI_AGAIN, "nobody knows")
        if name == PICTURES:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (SOMEWHERE, int(port)))]
        return look_up(host, port, *more, **options)

    async def connect_tcp(self: httpcore2.TrioBackend, host: str, *more: Any, **options: Any) -> Any:  # noqa: ANN401
        return await connect(self, "127.0.0.1" if host == SOMEWHERE else host, *more, **options)

    vars(socket)["getaddrinfo"] = getaddrinfo
    setattr(httpcore2.TrioBackend, "connect_tcp", connect_tcp)  # noqa: B010 - a method is no attribute to assign to


def main() -> None:
    """Run the command."""
    path = sys.argv.pop(1)
    vars(trio)["run"] = partial(trio.run, instruments=[Notes(path)])
    _stand_in_for_the_internet()
    from lingma_trio.cli import cli  # noqa: PLC0415 - what is above comes first

    cli(prog_name="lingma-trio")


if __name__ == "__main__":
    main()
