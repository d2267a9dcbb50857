"""A request's trace has what happened to it and when, joins its client's, and holds nothing that it must not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from lingma_trio.tracing.otel import HARMLESS, OtelTracing, provider_of
from tests.http.world import World, open_world

PARENT = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "vendor=1"}
SECRETS = ("the-planted-key", "planted words", "Planted answer")


class Collector:
    """What would have been sent."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = provider_of(SimpleSpanProcessor(self.exporter), {})

    def attach(self, world: World) -> None:
        world.services.tracing = OtelTracing(self.provider)

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """By name; each may be there once."""
        spans = self.exporter.get_finished_spans()
        named = {span.name: span for span in spans}
        assert len(named) == len(spans)
        return named

    def attributes(self, name: str) -> dict[str, object]:
        return dict(self.spans[name].attributes or {})


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Spans in memory."""
    made = Collector()
    yield made
    made.provider.shutdown()


async def test_answered_request_is_one_trace(collector: Collector) -> None:
    """With a span for each stage below the request's, one after the other, and events for claim and first delta."""
    async with open_world(keys=("the-planted-key",)) as world:
        collector.attach(world)
        visitor = world.asker("planted words", {"x-api-key": "the-planted-key"}, stream=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            question = await world.peer.called("chat/ask")
            await world.peer.text(question, "Planted answer.")
            await world.peer.finish(question)
    spans = collector.spans
    assert set(spans) == {"chat", "receiving", "queued", "waiting", "streaming", "delivering"}
    root = spans["chat"]
    assert (root.kind, root.parent, root.status.status_code) == (SpanKind.SERVER, None, StatusCode.UNSET)
    stages = [spans[name] for name in ("receiving", "queued", "waiting", "streaming", "delivering")]
    for stage in stages:
        assert stage.parent is not None
        assert stage.parent.span_id == root.context.span_id
    times = [time for stage in stages for time in (stage.start_time or 0, stage.end_time or 0)]
    assert times == sorted(times)
    assert [event.name for event in root.events] == ["claim", "first delta"]
    assert dict(root.events[0].attributes or {}) == {"lingma.session": "opening", "lingma.instance": "lingma-0"}
    about = collector.attributes("chat")
    assert (about["lingma.outcome"], about["http.response.status_code"]) == ("ok", 200)
    assert about["gen_ai.request.model"] == "org_auto"
    assert about["lingma.request_id"] == visitor.headers["x-request-id"]
    told = "".join(span.to_json() for span in spans.values())
    assert [secret for secret in SECRETS if secret in told] == []


async def test_trace_joins_its_clients(collector: Collector) -> None:
    """The span's parent is the remote one, its state goes along, and the response says where to find it."""
    async with open_world() as world:
        collector.attach(world)
        visitor = await world.call("GET", "/v1/models", headers=PARENT)
    root = collector.spans["models"]
    assert root.parent is not None
    assert (root.parent.trace_id, root.parent.span_id) == (int("a" * 32, 16), int("b" * 16, 16))
    assert root.parent.is_remote
    assert root.context.trace_state.get("vendor") == "1"
    assert visitor.headers["traceresponse"] == f"00-{'a' * 32}-{root.context.span_id:016x}-01"


async def test_client_that_does_not_sample_is_heard(collector: Collector) -> None:
    """Nothing is collected, and the response names the trace all the same."""
    async with open_world() as world:
        collector.attach(world)
        headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"}
        visitor = await world.call("GET", "/v1/models", headers=headers)
    assert collector.spans == {}
    assert visitor.headers["traceresponse"].startswith(f"00-{'a' * 32}-")


@pytest.mark.parametrize("text", ["", "00-zz", f"ff-{'a' * 32}-{'b' * 16}-01", "x" * 100_000, "\xff"])
async def test_parent_that_is_none_counts_as_absent(collector: Collector, text: str) -> None:
    """A client cannot break a request by what it says of its trace."""
    async with open_world() as world:
        collector.attach(world)
        visitor = await world.call("GET", "/v1/models", headers={"traceparent": text})
    assert visitor.status == 200
    assert collector.spans["models"].parent is None


async def test_refused_request_is_no_error_of_the_servers(collector: Collector) -> None:
    """It says how it was refused, by its code alone, and the span's status is not that of a failure."""
    async with open_world(keys=("key",)) as world:
        collector.attach(world)
        await world.asker("planted words").visit()
    about = collector.attributes("chat")
    assert (about["error.type"], about["http.response.status_code"]) == ("invalid_api_key", 401)
    assert collector.spans["chat"].status.status_code is StatusCode.UNSET


async def test_stream_that_breaks_off_is_an_error(collector: Collector) -> None:
    """Although it had begun with 200."""
    async with open_world() as world:
        collector.attach(world)
        visitor = world.asker(stream=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            question = await world.peer.called("chat/ask")
            await world.peer.text(question, "Gre")
            await visitor.until(b"Gre")
            await world.peer.finish(question, status=500)
    assert collector.spans["chat"].status.status_code is StatusCode.ERROR
    assert collector.attributes("chat")["error.type"] == "upstream_error"


async def test_client_that_leaves_ends_every_span(collector: Collector) -> None:
    """The stage it left in ends with the request, which is cancelled and no error."""
    async with open_world() as world:
        collector.attach(world)
        visitor = world.asker()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            await world.peer.called("chat/ask")
            visitor.leave()
    assert set(collector.spans) == {"chat", "receiving", "queued", "waiting"}
    assert collector.attributes("chat")["lingma.outcome"] == "cancelled"
    assert collector.spans["chat"].status.status_code is StatusCode.UNSET


async def test_probes_leave_no_traces(collector: Collector) -> None:
    """What programs ask every few seconds, and the status page."""
    async with open_world(admin="admin") as world:
        collector.attach(world)
        for path in ("/healthz", "/readyz", "/metrics", "/internal/stats", "/internal/tree", "/", "/page/page.css"):
            visitor = await world.call("GET", path, headers={"authorization": "Bearer admin"})
            assert "traceresponse" not in visitor.headers
    assert collector.spans == {}


def test_unknown_facts_stay_here(collector: Collector) -> None:
    """Only what is known to be harmless is told, whatever a handler notes down for the log."""
    trace = OtelTracing(collector.provider).begin("chat", "PLANTED", "req_1", {})
    trace.end(status=200, outcome="ok", facts={"question": "planted words", "model": "org_auto", "stream": None})
    about = collector.attributes("chat")
    assert "planted" not in str(about).lower()
    assert about["http.request.method"] == "_OTHER"
    assert set(about) & set(HARMLESS.values()) == {"gen_ai.request.model"}


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "lingma-trio"),
        ({"OTEL_SERVICE_NAME": "mine"}, "mine"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=m"}, "m"),
    ],
    ids=str,
)
def test_service_has_a_name(environ: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own, unless OpenTelemetry's variables give it another one."""
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    provider = provider_of(SimpleSpanProcessor(InMemorySpanExporter()), environ)
    assert provider.resource.attributes["service.name"] == name
