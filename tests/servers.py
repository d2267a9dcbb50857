"""Servers of others that tests start beside our own processes: a store with its sentinels, and a balancer.

Knows where `scripts/servers` has put their commands, and how each is started, stopped and asked whether it is there.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMANDS = Path(__file__).parent.parent / ".cache" / "servers" / "bin"
PATIENCE = 20.0  # seconds a server has until it takes connections
POLL = 0.01


def command(name: str) -> str:
    """The path of `redis-server`, `redis-cli` or `haproxy`; where there is none, the error says what to run."""
    path = COMMANDS / name
    if not path.exists():
        raise FileNotFoundError(f"no {name} in {COMMANDS}: run scripts/servers, which fetches it")
    return str(path)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass(slots=True)
class Server:
    """A server as a process of its own on 127.0.0.1. It prints to `log`, and can be killed and started again."""

    name: str
    arguments: Sequence[str]
    port: int
    directory: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """What all its lives have printed."""
        return self.directory / f"{self.arguments[0].rpartition('/')[2]}-{self.port}.log"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.arguments, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        give_up = time.monotonic() + PATIENCE
        while not self._is_there():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up, f"{self.name} takes no connections: {self.log.read_text()}"
            time.sleep(POLL)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once, if it runs; a frozen one too. It is gone when this returns."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _is_there(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """A server for the length of the block, started at its beginning and killed at its end."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


def store(directory: Path, *options: str, port: int = 0) -> Server:
    """A store that keeps nothing on disk; it lies in `directory` and is not started yet."""
    directory.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    fixed = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(directory))
    return Server("store", (command("redis-server"), *fixed, *options), port, directory)
