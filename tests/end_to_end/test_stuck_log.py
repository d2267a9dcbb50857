"""A gateway whose log nobody reads any more serves on, and ends when it is told to."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from pydantic_core import from_json

from tests.end_to_end.client import fetch
from tests.end_to_end.gateway import SERVE, launched, poll
from tests.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path

INTO = "import os, sys; os.dup2(int(sys.argv[1]), 2); os.execv(sys.argv[2], sys.argv[2:])"
REQUESTS = 400  # whose lines are more than a pipe holds


@pytest.mark.slow
async def test_gateway_serves_on_where_nobody_reads_its_log(tmp_path: Path) -> None:
    """Requests are answered, Lingma is asked, a signal is heard; what was written is whole lines."""
    reading, writing = os.pipe()
    command = (sys.executable, "-c", INTO, str(writing), *SERVE)
    port = free_port()
    try:
        with launched(tmp_path, command, (writing,), PORT=str(port), ALLOW_ANONYMOUS="true") as gateway:
            os.close(writing)

            async def is_ready() -> bool:
                try:
                    return (await fetch(port, "GET", "/readyz")).status == 200
                except OSError:
                    return False

            await poll(is_ready)
            for _ in range(REQUESTS):
                assert (await fetch(port, "GET", "/nowhere")).status == 404
            assert await is_ready()
            gateway.process.send_signal(signal.SIGTERM)
            assert await gateway.exit_status() == 0
        said = b"".join(iter(lambda: os.read(reading, 65536), b""))
    finally:
        os.close(reading)
    lines = map(from_json, said.rpartition(b"\n")[0].splitlines())
    assert 0 < sum(line.get("route") == "unknown" for line in lines) < REQUESTS
