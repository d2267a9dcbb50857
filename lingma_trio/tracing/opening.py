"""Decides whether requests are traced: by OpenTelemetry's own variables, and by whether the extra is installed.

Without a collector in the environment nothing of OpenTelemetry is imported, and a request pays for a few calls that do
nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import Any

import structlog

from lingma_trio.tracing.trace import NoTracing, Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"

log = structlog.get_logger("lingma_trio.tracing")


@asynccontextmanager
async def open_tracing(environ: Mapping[str, str]) -> AsyncIterator[Tracing]:
    """Trace for the length of the block where `environ` names a collector; leaving it sends what is left, briefly.

    Tracing that cannot be had is a warning and never a reason not to serve.
    """
    otel = _load() if _is_wanted(environ) else None
    async with AsyncExitStack() as stack:
        tracing: Tracing = NoTracing()
        if otel is not None:
            try:
                tracing = await stack.enter_async_context(otel.open_exporting(environ))
            except (RuntimeError, ValueError) as fault:
                log.warning(
                    "not_traced", reason=f"OpenTelemetry does not take its OTEL_ variables as they are: {fault}"
                )
        yield tracing


def _is_wanted(environ: Mapping[str, str]) -> bool:
    if not any(environ.get(name, "").strip() for name in ENDPOINTS):
        return False
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() not in ("otlp", ""):
        return False
    protocol = next((found for name in PROTOCOLS if (found := environ.get(name, "").strip())), SPOKEN)
    if protocol != SPOKEN:
        log.warning("not_traced", reason=f"traces go out as {SPOKEN}, and OTEL_EXPORTER_OTLP_PROTOCOL wants another")
        return False
    return True


def _load() -> Any:  # noqa: ANN401 - a module, which must not be imported before it is wanted
    try:
        return import_module("lingma_trio.tracing.otel")
    except ModuleNotFoundError as fault:
        log.warning("not_traced", reason=f"{fault.name} is not installed; pip install 'lingma-trio[otel]'")
        return None
