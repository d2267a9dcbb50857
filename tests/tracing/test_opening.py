"""Requests are traced where the environment names a collector, and nothing else has that consequence."""

from __future__ import annotations

import subprocess
import sys
from threading import enumerate as enumerate_threads

import pytest
from structlog.testing import capture_logs

from lingma_trio.tracing import opening
from lingma_trio.tracing.opening import open_tracing
from lingma_trio.tracing.trace import NoTracing

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "named"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
    ],
    ids=str,
)
async def test_nobody_collects(environ: dict[str, str]) -> None:
    """Without an address, and where OpenTelemetry is told to be off, there is neither tracing nor a word of it."""
    with capture_logs() as logs:
        async with open_tracing(environ) as tracing:
            assert isinstance(tracing, NoTracing)
    assert logs == []


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
async def test_somebody_collects(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address for everything or for traces alone; without a span that has ended nothing is sent there."""
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with open_tracing({name: "http://127.0.0.1:9"}) as tracing:
        assert len(tracing.begin("chat", "POST", "req_1", {}).trace_id) == 32


async def test_protocol_that_is_not_spoken_is_told() -> None:
    """As a warning: it is no reason not to serve."""
    with capture_logs() as logs:
        async with open_tracing({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) as tracing:
            assert isinstance(tracing, NoTracing)
    assert "http/protobuf" in logs[0]["reason"]


@pytest.mark.parametrize(
    "variable",
    [
        "OTEL_BSP_MAX_QUEUE_SIZE=256",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=-1",
        "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER=not_installed",
    ],
)
async def test_what_the_sdk_does_not_take_is_told(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that is shorter than a batch is none to it, and a gateway that is not traced serves all the same."""
    name, _, value = variable.partition("=")
    monkeypatch.setenv(name, value)
    threads = set(enumerate_threads())
    with capture_logs() as logs:
        async with open_tracing(ENDPOINT) as tracing:
            assert isinstance(tracing, NoTracing)
    assert [entry["event"] for entry in logs] == ["not_traced"]
    assert set(enumerate_threads()) == threads


async def test_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name="opentelemetry")

    monkeypatch.setattr(opening, "import_module", missing)
    with capture_logs() as logs:
        async with open_tracing(ENDPOINT) as tracing:
            assert isinstance(tracing, NoTracing)
    assert "lingma-trio[otel]" in logs[0]["reason"]


def test_nothing_is_imported_unasked() -> None:
    """A gateway without a collector has nothing of OpenTelemetry in it."""
    program = "import sys, lingma_trio.asgi, lingma_trio.cli; print([m for m in sys.modules if 'opentelemetry' in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
