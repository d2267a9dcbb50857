"""The container's health check, run as the container runs it, against a real socket."""

from __future__ import annotations

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


@contextmanager
def gateway() -> Iterator[int]:
    """Something that answers, at a port of its own."""
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def check(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the check in an environment that holds what a container's holds, and a proxy that must not be asked."""
    environment = {"PORT": str(port), "http_proxy": "http://127.0.0.1:1"}
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
