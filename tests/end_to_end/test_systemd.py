"""The gateway as a service: started on systemd's socket, watched by its watchdog, and stopped with word of it."""

from __future__ import annotations

import os
import socket as sockets
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trio

from lingma_trio.systemd import VARIABLES
from tests.end_to_end.client import chat
from tests.end_to_end.gateway import Gateway, launched

HAND_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid());"
    "os.execv(sys.executable, [sys.executable, '-m', 'lingma_trio.cli', 'serve'])"
)
"""What systemd does before it starts a program: the socket is descriptor 3, and the variable names the process."""


class Systemd:
    """Systemd's end of the notifications. It reads whatever comes, at once, as the real one does."""

    def __init__(self, directory: Path) -> None:
        self.address = str(directory / "notify")
        self.socket = sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.heard: list[str] = []

    async def listen(self) -> None:
        """Take in messages for ever."""
        socket = trio.socket.from_stdlib_socket(self.socket)
        while True:
            self.heard.append((await socket.recv(4096)).decode())

    def has_heard(self, word: str) -> bool:
        """Whether a message began with `word`."""
        return any(message.startswith(word) for message in self.heard)


@pytest.mark.slow
async def test_life_of_a_service(tmp_path: Path) -> None:
    """It serves on the socket it was given, tells of its life as it is, and hands nothing of this on to Lingma."""
    systemd = Systemd(tmp_path)
    with closing(systemd.socket), sockets.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        inode = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
        told = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "500000", "LISTEN_FDS": "1", "PORT": "1"}
        command = (sys.executable, "-c", HAND_OVER, str(listener.fileno()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(systemd.listen)
            with launched(tmp_path, command, (listener.fileno(),), **told) as gateway:
                await gateway.until(lambda: systemd.has_heard(f"READY=1\nSTATUS=serving on http://127.0.0.1:{port}"))
                await gateway.until_ready()
                assert (await chat(port, "Hello.")).text
                await gateway.until(lambda: systemd.has_heard("WATCHDOG=1"))
                assert not systemd.has_heard("STOPPING=1")
                assert_kept_to_itself(gateway, inode)
                gateway.process.terminate()
                assert await gateway.exit_status() == 0
                await gateway.until(lambda: systemd.has_heard("STOPPING=1"))
            nursery.cancel_scope.cancel("the service has ended")


def assert_kept_to_itself(gateway: Gateway, inode: str) -> None:
    """No process below the gateway has the listening socket, or a variable that systemd set for the gateway."""
    assert inode in descriptors(gateway.server)
    below = gateway.descendants
    assert len(below) >= 2, "the keeper and the simulator at least"
    for pid in below:
        assert inode not in descriptors(pid)
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert not {line.partition(b"=")[0].decode() for line in environment} & set(VARIABLES)


def descriptors(pid: int) -> list[str]:
    """What a process has open; what it closes meanwhile does not count."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(entry.readlink()))
    return found


async def test_socket_of_no_use_ends_the_start(tmp_path: Path) -> None:
    """A socket unit that opens something else is told what it needs, and the exit status is that of faulty settings."""
    with closing(sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM)) as wrong:
        command = (sys.executable, "-c", HAND_OVER, str(wrong.fileno()))
        with launched(tmp_path, command, (wrong.fileno(),), LISTEN_FDS="1") as gateway:
            assert await gateway.exit_status() == 2
            assert "LISTEN_FDS: " in gateway.log
            assert "ListenStream=" in gateway.log
            assert "Traceback" not in gateway.log
