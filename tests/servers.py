"""Servers of others that tests start beside our own processes: a store with its sentinels, and a balancer.

Knows where `scripts/servers` has put their commands, and how each is started, stopped and asked whether it is there.
"""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
COMMANDS = ROOT / ".cache" / "servers" / "bin"
BALANCING = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
PATIENCE = 20.0  # seconds a server has until it takes connections
POLL = 0.01
PORTS = (12000, 32000)
"""Below those that Linux gives out by itself."""


def command(name: str) -> str:
    """The path of `redis-server`, `redis-cli` or `haproxy`; where there is none, the error says what to run."""
    path = COMMANDS / name
    if not path.exists():
        raise FileNotFoundError(f"no {name} in {COMMANDS}: run scripts/servers, which fetches it")
    return str(path)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now, and that the system gives to no connection meanwhile."""
    while True:
        port = random.randrange(*PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@dataclass(slots=True)
class Server:
    """A server as a process of its own on this machine. It prints to `log`, and can be killed and started again.

    Its environment is the caller's where none is given.
    """

    name: str
    arguments: Sequence[str]
    port: int
    directory: Path
    environment: Mapping[str, str] | None = None
    host: str = "127.0.0.1"
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """What all its lives have printed."""
        return self.directory / f"{self.name}-{self.port}.log"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.arguments,
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
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

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self.send(signal.SIGTERM)
        assert self.process is not None
        self.process.wait(PATIENCE)
        self.process = None

    def kill(self) -> None:
        """End it at once, if it runs; a frozen one too. It is gone when this returns."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _is_there(self) -> bool:
        with suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
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


PRIMARY = "lingma"
"""The name by which sentinels know the primary."""


def sentinel(directory: Path, primary: int, *more: str) -> Server:
    """One of three that watch over the primary at that port, and make a replica the next one half a second after its
    end. `more` has lines of its settings. It is not started yet.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    settings = directory / f"sentinel-{port}.conf"  # which it writes itself, too
    settings.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {directory}\nsentinel monitor {PRIMARY} 127.0.0.1 {primary} 2\n"
        f"sentinel down-after-milliseconds {PRIMARY} 500\nsentinel failover-timeout {PRIMARY} 5000\n"
        + "".join(f"{line}\n" for line in more),
        encoding="utf-8",
    )
    return Server("sentinel", (command("redis-server"), str(settings), "--sentinel"), port, directory)


def balancer(directory: Path, first: int, second: int) -> Server:
    """HAProxy as `deploy/` configures it, in front of the gateways at two ports. It is not started yet."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    places = {"BALANCER_BIND": port, "GATEWAY_1": first, "GATEWAY_2": second}
    environment = {name: f"127.0.0.1:{at}" for name, at in places.items()}
    return Server("haproxy", (command("haproxy"), "-f", str(BALANCING)), port, directory, environment)
