"""A gateway process sends its traces to a collector, and neither a slow nor a missing one holds anything up."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.end_to_end.client import PATIENCE, chat
from tests.end_to_end.collector import collecting
from tests.end_to_end.gateway import started

PARENT = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
PLANTED = dict.fromkeys(("authorization", "cookie", "user-agent", "x-anything"), "planted")
AT_ONCE = {"LINGMA_SIMULATOR": "first=0,gap=0"}
FLUSH = 3.0
"""Seconds that a gateway waits for its collector at the end."""


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_traces_arrive_by_the_end_of_the_process(tmp_path: Path) -> None:
    """In the client's trace, under the service's name, with the collector's header, which Lingma never gets to see."""
    async with collecting() as collector:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-token=planted-token",
            "OTEL_SERVICE_NAME": "gateway-of-the-tests",
        }
        with started(tmp_path, **AT_ONCE, **settings) as gateway:
            answer = await chat(gateway.port, "The planted words.", headers={**PARENT, **PLANTED})
            lingma = environment_of(gateway.simulator)
            gateway.process.send_signal(signal.SIGTERM)
            assert await gateway.exit_status() == 0
            log = gateway.log
    assert answer.headers["traceresponse"].startswith(f"00-{'a' * 32}-")
    assert collector.traces == {"a" * 32}
    assert sorted(collector.names) == ["chat", "delivering", "queued", "receiving", "streaming", "waiting"]
    assert collector.services == {"gateway-of-the-tests"}
    assert dict(collector.heads[0].headers)[b"x-token"] == b"planted-token"
    assert f'"trace_id": "{"a" * 32}"' in log
    assert "planted" not in log
    assert b"planted" not in lingma
    assert not [body for body in collector.bodies if b"planted" in body]


async def test_silent_collector_holds_nothing_up(tmp_path: Path) -> None:
    """Requests are answered as ever, and the end waits for it FLUSH seconds and says that something was lost."""
    async with collecting(silent=True) as collector:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with started(tmp_path, **AT_ONCE, **settings) as gateway:
            assert (await chat(gateway.port, "Hello.")).complete
            await gateway.until(lambda: bool(collector.heads))
            assert (await chat(gateway.port, "Hello.")).complete
            gateway.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert await gateway.exit_status() == 0
            assert time.monotonic() - began < FLUSH + PATIENCE / 3
            assert "traces_lost" in gateway.log


async def test_missing_collector_costs_nothing(tmp_path: Path) -> None:
    """Where nobody listens the answers come all the same, and the end comes as bounded."""
    async with collecting() as collector:
        address = collector.address
    with started(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=address, **AT_ONCE) as gateway:
        assert (await chat(gateway.port, "Hello.")).complete
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.exit_status() == 0
