"""A gateway process sends its traces to a collector, and neither a slow nor a missing one holds anything up."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import trio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.end_to_end.client import PATIENCE, chat
from tests.end_to_end.gateway import started

PARENT = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
AT_ONCE = {"LINGMA_SIMULATOR": "first=0,gap=0"}
FLUSH = 3.0
"""Seconds that a gateway waits for its collector at the end."""


class Collector:
    """An OTLP receiver on the loopback address: takes spans, or takes requests and says nothing."""

    def __init__(self, port: int, *, silent: bool) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.names: list[str] = []
        self.traces: set[str] = set()
        self.services: set[str] = set()
        self.heads: list[h11.Request] = []
        self._silent = silent

    async def serve(self, stream: trio.SocketStream) -> None:
        """Take what one connection sends."""
        connection = h11.Connection(h11.SERVER)
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                try:
                    connection.receive_data(await stream.receive_some())
                except trio.BrokenResourceError:
                    return
            elif isinstance(event, h11.Request):
                self.heads.append(event)
                if self._silent:
                    await trio.sleep_forever()
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._take(bytes(body))
                body.clear()
                response = h11.Response(status_code=200, headers=[("content-length", "0")])
                await stream.send_all((connection.send(response) or b"") + (connection.send(h11.EndOfMessage()) or b""))
                connection.start_next_cycle()
            else:
                return

    def _take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.services.add(named["service.name"])
            for scope in resource.scope_spans:
                self.names += [span.name for span in scope.spans]
                self.traces |= {span.trace_id.hex() for span in scope.spans}


@asynccontextmanager
async def collecting(*, silent: bool = False) -> AsyncIterator[Collector]:
    """A collector for the length of the block."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    collector = Collector(listeners[0].socket.getsockname()[1], silent=silent)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, collector.serve, listeners)
        yield collector
        nursery.cancel_scope.cancel("the test is over")


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
            answer = await chat(gateway.port, "The planted words.", headers=PARENT)
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
    assert b"planted-token" not in lingma


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
