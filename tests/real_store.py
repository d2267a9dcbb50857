"""Real servers that speak Redis' protocol, each a process of its own that a test may freeze, kill and start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import AbstractAsyncContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from lingma_trio.state.link import Wire, WireLost
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
NAME = "lingma"  # of the primary, with its Sentinels
PATIENCE = 20.0  # seconds for what takes one


@cache
def servers() -> Path:
    """Where their commands are; skips the test where they cannot be had, save in CI, which must have them."""
    found = subprocess.run([ROOT / "scripts/servers"], capture_output=True, text=True, check=False)
    if found.returncode:
        assert not os.environ.get("CI"), found.stderr
        pytest.skip(f"no redis-server: {found.stderr.strip()}")
    return Path(found.stdout.strip())


class Nowhere(AbstractAsyncContextManager[Wire]):
    """A store that refuses each connection."""

    async def __aenter__(self) -> Wire:
        """Refuse."""
        raise WireLost("10.0.0.1: refused")

    async def __aexit__(self, *_: object) -> None:
        """Never comes to that."""


class RealServer:
    """One `redis-server` on a port of the loopback, with its files in `folder`; not running before `start`."""

    def __init__(self, folder: Path, *arguments: str, port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As STATE_URL has it."""
        return f"valkey://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        assert self._process is None
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [servers() / "redis-server", *self._words()], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._await_answer()

    def stop(self) -> None:
        """Kill it, frozen or not; nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it neither answer nor refuse."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str | int) -> bytes:
        """What it says to one command, as the first line of it or, of one bulk text, that text."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            parts = [str(word).encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            with connection.makefile("rb") as answer:
                line = answer.readline().rstrip()
                return answer.read(int(line[1:])) if line[:1] == b"$" and line != b"$-1" else line

    def restore(self) -> None:
        """Bring it back, running and empty, whatever was done to it."""
        if self._process is None:
            self.start()
        self.thaw()
        self.command("FLUSHALL")
        self.command("SCRIPT", "FLUSH")

    def _words(self) -> list[str]:
        common = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        return [*self.arguments, "--port", str(self.port), *common]

    def _await_answer(self) -> None:
        latest = time.monotonic() + PATIENCE
        while True:
            try:
                if self.command("PING").startswith((b"+PONG", b"-NOAUTH")):
                    return
            except OSError:
                pass
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < latest, (self.folder / "log").read_text()
            time.sleep(0.01)


class RealSentinel(RealServer):
    """One Sentinel that watches a primary under NAME, and finds it down after half a second."""

    def __init__(self, folder: Path, primary: RealServer) -> None:
        super().__init__(folder)
        self._primary = primary

    def knows_the_others(self) -> bool:
        """Whether it can take its part in a failover."""
        return b"slaves=1,sentinels=3" in self.command("INFO", "sentinel")

    def _words(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        if not file.exists():  # which a Sentinel writes itself from then on
            file.write_text(
                f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
                f"sentinel monitor {NAME} 127.0.0.1 {self._primary.port} 2\n"
                f"sentinel down-after-milliseconds {NAME} 500\n"
                f"sentinel failover-timeout {NAME} 3000\n"
            )
        return [str(file), "--sentinel"]


class RealFamily:
    """A primary, its replica and three Sentinels, running for the length of the block."""

    def __init__(self, folder: Path) -> None:
        self.primary = RealServer(folder / "primary")
        self.replica = RealServer(folder / "replica", "--replicaof", f"127.0.0.1 {self.primary.port}")
        self.sentinels = [RealSentinel(folder / f"sentinel-{number}", self.primary) for number in range(3)]

    @property
    def servers(self) -> list[RealServer]:
        """All of them."""
        return [self.primary, self.replica, *self.sentinels]

    @property
    def url(self) -> str:
        """As STATE_URL has it."""
        return f"valkey+sentinel://{','.join(f'127.0.0.1:{each.port}' for each in self.sentinels)}/{NAME}"

    def __enter__(self) -> Self:
        """Start them, and wait until all know of each other and the replica has what the primary has."""
        try:
            for server in self.servers:
                server.start()
            _await(lambda: b"master_link_status:up" in self.replica.command("INFO", "replication"))
            for sentinel in self.sentinels:
                _await(sentinel.knows_the_others)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Kill them all."""
        for server in self.servers:
            server.stop()


def _await(condition: Callable[[], bool]) -> None:
    latest = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < latest
        time.sleep(0.05)
