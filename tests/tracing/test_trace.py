"""Tracing that nobody listens to does nothing, in one object for all requests."""

from __future__ import annotations

from lingma_trio.tracing.trace import NoTracing


def test_nobody_listens() -> None:
    """Whatever is told is taken, and no response carries a header for it."""
    tracing = NoTracing()
    trace = tracing.begin("chat", "POST", "req_1", {b"traceparent": b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"})
    trace.enter("queued")
    trace.event("claim", session="hit")
    trace.end(status=200, outcome="ok", facts={"model": "org_auto"})
    assert (trace.headers, trace.trace_id) == ((), "")
    assert tracing.begin("models", "GET", "req_2", {}) is trace
