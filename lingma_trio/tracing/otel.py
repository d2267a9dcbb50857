"""Traces by OpenTelemetry: a span for each request, one below it for each stage, events for claim and first delta.

The only module that imports OpenTelemetry. Makes a provider of its own and leaves the process-wide one alone. Spans
are ended on the loop, which puts them into a bounded queue; a thread of the SDK's sends them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager

import structlog
import trio
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lingma_trio import __version__
from lingma_trio.tracing.trace import Attribute, Headers

FLUSH_SECONDS = 3.0
"""For the last spans to leave at the end; a collector that takes longer does without them."""

LONGEST_HEADER = 8192  # characters of `traceparent` and `tracestate` that are looked at
FIRST_CLIENT_FAULT, FIRST_SERVER_FAULT = 400, 500

HARMLESS = {
    "model": "gen_ai.request.model",
    "instance": "lingma.instance",
    "session": "lingma.session",
    "stream": "lingma.stream",
    "answer_tokens": "lingma.answer_tokens_estimated",
}
"""The facts of a request that go into its span, and under what name. Whatever is not here stays here."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger("lingma_trio.tracing")


class OtelTrace:
    """One request's span and that of the stage it is in."""

    def __init__(self, tracer: Tracer, root: Span) -> None:
        self._tracer = tracer
        self._root = root
        self._context = set_span_in_context(root)
        self._stage: Span | None = None

    def __repr__(self) -> str:
        return f"<OtelTrace {self.trace_id}>"

    @property
    def headers(self) -> Headers:
        """`traceresponse`, by W3C's draft for what a server tells of the trace it took part in."""
        context = self._root.get_span_context()
        text = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        return ((b"traceresponse", text.encode()),)

    @property
    def trace_id(self) -> str:
        """The trace's id, as the log has it."""
        return f"{self._root.get_span_context().trace_id:032x}"

    def enter(self, stage: str) -> None:
        """End the span of the stage before and begin one; what is `sent` has no stage any more."""
        if self._stage is not None:
            self._stage.end()
            self._stage = None
        if stage == "streaming":
            self._root.add_event("first delta")
        if stage != "sent":
            self._stage = self._tracer.start_span(stage, context=self._context)

    def event(self, name: str, **attributes: Attribute) -> None:
        """Add an event to the request's span."""
        self._root.add_event(name, attributes={f"lingma.{key}": value for key, value in attributes.items()})

    def end(self, *, status: int, outcome: str, facts: Mapping[str, object]) -> None:
        """End whatever is open. A fault of the gateway or of Lingma makes the span an error, a client's does not."""
        if self._stage is not None:
            self._stage.end()
            self._stage = None
        root = self._root
        root.set_attribute("lingma.outcome", outcome)
        if status:
            root.set_attribute("http.response.status_code", status)
        for key, name in HARMLESS.items():
            value = facts.get(key)
            if isinstance(value, str | int | float):
                root.set_attribute(name, value)
        if outcome not in {"ok", "cancelled"}:
            root.set_attribute("error.type", outcome)
            if status < FIRST_CLIENT_FAULT or status >= FIRST_SERVER_FAULT:  # also what failed after a good beginning
                root.set_status(Status(StatusCode.ERROR))
        root.end()


class OtelTracing:
    """Begins a trace for each request, as a part of the one that its client began if it says so."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("lingma_trio", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def __repr__(self) -> str:
        return "<OtelTracing>"

    def begin(self, route: str, method: str, request_id: str, headers: Mapping[bytes, bytes]) -> OtelTrace:
        """A trace with its first stage, `receiving`. A `traceparent` that is none counts as absent."""
        carrier = {
            name: value.decode("latin-1")
            for name in ("traceparent", "tracestate")
            if (value := headers.get(name.encode())) is not None and len(value) <= LONGEST_HEADER
        }
        root = self._tracer.start_span(
            route,
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": method if method in METHODS else "_OTHER",
                "lingma.route": route,
                "lingma.request_id": request_id,
            },
        )
        trace = OtelTrace(self._tracer, root)
        trace.enter("receiving")
        return trace


@asynccontextmanager
async def open_exporting(environ: Mapping[str, str]) -> AsyncIterator[OtelTracing]:
    """Send spans for the length of the block to the collector that the SDK finds in its variables.

    Leaving the block waits FLUSH_SECONDS at the most for the last ones. No thread of it keeps the process alive. Raises
    `ValueError` where the SDK does not take what its variables say, and `RuntimeError` where it lacks what they name.
    """
    exporter = OTLPSpanExporter()
    processor = BatchSpanProcessor(exporter)
    with ExitStack() as on_failure:
        on_failure.callback(processor.shutdown)  # its thread, which has nothing to send
        provider = provider_of(processor, environ)
        on_failure.pop_all()
    log.info("tracing", service=str(provider.resource.attributes[SERVICE_NAME]))
    try:
        yield OtelTracing(provider)
    finally:
        with trio.move_on_after(FLUSH_SECONDS, shield=True) as flush:
            await trio.to_thread.run_sync(provider.shutdown, abandon_on_cancel=True)
        if flush.cancelled_caught:
            # Ends its waiting between two attempts, and with that the thread that was given up.
            exporter.shutdown()  # type: ignore[no-untyped-call] # the SDK has no annotation there
            log.warning("traces_lost", reason=f"the collector did not take the last spans within {FLUSH_SECONDS:g} s")


def provider_of(processor: SpanProcessor, environ: Mapping[str, str]) -> TracerProvider:
    """A provider whose spans go to `processor`; its sampler and limits are those of the SDK's variables."""
    # At the process's exit it is too late to wait for a collector.
    provider = TracerProvider(resource=_resource(environ), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


def _resource(environ: Mapping[str, str]) -> Resource:
    named = "OTEL_SERVICE_NAME" in environ or f"{SERVICE_NAME}=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    name: dict[str, Attribute] = {} if named else {SERVICE_NAME: "lingma-trio"}
    return Resource.create({SERVICE_VERSION: __version__, **name})
