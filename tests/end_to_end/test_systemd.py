"""The gateway as a service: started on systemd's socket, watched by its watchdog, and stopped with word of it."""

from __future__ import annotations

import os
import signal
import socket as sockets
import sys
from contextlib import closing, suppress
from itertools import dropwhile
from pathlib import Path

import pytest
import trio

from lingma_trio.systemd import VARIABLES
from tests.end_to_end.client import chat
from tests.end_to_end.gateway import SERVE, Gateway, is_alive, launched

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

    def since(self, word: str) -> list[str]:
        """The first lines of the messages from the first on that began with `word`."""
        told = [message.splitlines()[0] for message in self.heard]
        return list(dropwhile(lambda line: not line.startswith(word), told))


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


@pytest.mark.slow
async def test_service_goes_on_in_another_process(tmp_path: Path) -> None:
    """On SIGUSR2 systemd learns the successor's pid before that one says that it is ready, and from it alone that it
    lives; a takeover from outside, after which it would start the first one again, is refused with what to do.
    """
    systemd = Systemd(tmp_path)
    with closing(systemd.socket), sockets.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        state = {"XDG_STATE_HOME": str(tmp_path / "state")}
        told = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "500000", "LISTEN_FDS": "1", **state}
        command = (sys.executable, "-c", HAND_OVER, str(listener.fileno()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(systemd.listen)
            with launched(tmp_path, command, (listener.fileno(),), **told) as gateway:
                await gateway.until(lambda: systemd.has_heard("READY=1"))
                outside = ("env", "-C", str(tmp_path), *SERVE, "--takeover")
                with launched(tmp_path / "outside", outside, **state) as other:
                    assert await other.exit_status() == 1
                    assert "--signal=SIGUSR2" in other.log
                gateway.process.send_signal(signal.SIGUSR2)
                assert await gateway.exit_status() == 0
                await gateway.until(lambda: len(systemd.since("MAINPID=")) > 1)  # the first may end before that
                said, then, *_ = systemd.since("MAINPID=")
                successor = int(said.partition("=")[2])
                assert then == "READY=1"
                assert not systemd.has_heard("STOPPING=1")
                count = len(systemd.heard)
                await gateway.until(lambda: len(systemd.heard) > count)
                assert (await chat(port, "Hello.")).text
                os.kill(successor, signal.SIGTERM)
                await gateway.until(lambda: systemd.has_heard("STOPPING=1"))
                await gateway.until(lambda: not is_alive(successor))
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
