"""The container's health check, run as the container runs it, against a real socket."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

HEALTH = Path(__file__).parents[2] / "deploy" / "container" / "health.py"


class Answers(BaseHTTPRequestHandler):
    """Says on each path whether it is asked for it."""

    def do_GET(self) -> None:
        """Answer 200 where the path says so."""
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class AtSocket(HTTPServer):
    """Listens in the file system."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        """Bind, without the look-up of a name that only a port has."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "", 0

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """A client has no address there."""
        return self.socket.accept()[0], ("", 0)


@contextmanager
def gateway(at: Path | None = None) -> Iterator[int]:
    """Something that answers, at a port of its own, or at a path."""
    with HTTPServer(("127.0.0.1", 0), Answers) if at is None else AtSocket(str(at), Answers) as server:  # type: ignore[arg-type]
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def check(port: int, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the check in an environment that holds what a container's holds, and a proxy that must not be asked."""
    environment = {"PORT": str(port), "http_proxy": "http://127.0.0.1:1", **more}
    return subprocess.run(
        [sys.executable, "-I", "-S", str(HEALTH), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(("path", "status"), [("/well", 0), ("/ill", 1)])
def test_answer_is_the_exit_status(path: str, status: int) -> None:
    """A 200 is 0, everything else 1; what the gateway said is printed for whoever looks."""
    with gateway() as port:
        ran = check(port, path)
    assert (ran.returncode, ran.stdout.strip()) == (status, path)


def test_readiness_is_asked_for_where_nothing_else_is() -> None:
    """Without an argument it is readiness."""
    with gateway() as port:
        assert check(port).stdout.strip() == "/readyz"


def test_nobody_there_is_told() -> None:
    """A gateway that does not listen is a failure with its reason, without a traceback."""
    with gateway() as port:
        pass
    ran = check(port, "/well")
    assert ran.returncode == 1
    assert "refused" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_gateway_at_a_path_is_asked_there(tmp_path: Path) -> None:
    """Where HOST names a socket in the file system that is asked, and one that is away is told."""
    place = tmp_path / "gateway.sock"
    with gateway(place):
        assert check(1, "/well", HOST=f"unix:{place}").returncode == 0
        assert check(1, "/ill", HOST=f"unix:{place}").returncode == 1
    ran = check(1, "/well", HOST=f"unix:{place}")
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)


@pytest.mark.parametrize(
    "way", [{}, {"HOST": "unix:/nowhere"}, {"TLS_CERT_FILE": "/nowhere"}], ids=["port", "path", "tls"]
)
def test_probes_have_a_port_of_their_own(way: dict[str, str]) -> None:
    """An agent that wants certificates, or listens at a path, is asked in plain text at the port for that."""
    with gateway() as port:
        assert check(1, "/well", AGENT_PROBE_PORT=str(port), **way).returncode == 0
