"""A collector of traces: takes what gateways send, and keeps what a test looks at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import trio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """An OTLP receiver on the loopback address: takes spans, or takes requests and says nothing."""

    def __init__(self, port: int, *, silent: bool) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.names: list[str] = []
        self.traces: set[str] = set()
        self.services: set[str] = set()
        self.heads: list[h11.Request] = []
        self.bodies: list[bytes] = []
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
        self.bodies.append(body)
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
