"""What other tests start beside our own processes starts, stops and comes back."""

from __future__ import annotations

import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.servers import command, running, store

if TYPE_CHECKING:
    from pathlib import Path


def ping(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=0.2) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(100)


def test_a_store_is_there_for_a_block(tmp_path: Path) -> None:
    """A store answers within its block, does not while it is frozen, comes back at its port, and is gone after it."""
    with running(store(tmp_path)) as server:
        assert ping(server.port) == b"+PONG\r\n"
        server.send(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            ping(server.port)
        server.kill()
        with pytest.raises(ConnectionRefusedError):
            ping(server.port)
        server.start()
        assert ping(server.port) == b"+PONG\r\n"
    with pytest.raises(ConnectionRefusedError):
        ping(server.port)


@pytest.mark.parametrize("name", ["redis-server", "redis-cli", "haproxy"])
def test_every_command_starts(name: str) -> None:
    """Each command that the tests use is there with the libraries it needs."""
    subprocess.run([command(name), "-v"], capture_output=True, check=True)


def test_a_missing_command_names_the_remedy() -> None:
    """Where a server was not fetched, the error says what fetches it."""
    with pytest.raises(FileNotFoundError, match="scripts/servers"):
        command("redis-nothing")
