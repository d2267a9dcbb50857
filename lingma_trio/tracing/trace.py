"""What a request tells about itself to whoever traces it, and the tracing that nobody listens to.

Knows names, numbers and headers. Must not know OpenTelemetry, which only `otel` imports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

Attribute: TypeAlias = str | int | float | bool
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]


class Trace(Protocol):
    """One request's trace. Nothing here waits, raises or may be given text of a prompt, a key or another secret."""

    @property
    def headers(self) -> Headers:
        """What a response carries so that its trace can be found."""

    @property
    def trace_id(self) -> str:
        """The trace's id as 32 hexadecimal digits; empty where nobody traces."""

    def enter(self, stage: str) -> None:
        """The request has come to this stage, and has left the one before."""

    def event(self, name: str, **attributes: Attribute) -> None:
        """Something has happened to it at this moment."""

    def end(self, *, status: int, outcome: str, facts: Mapping[str, object]) -> None:
        """The request is over. Of `facts` those are kept that are known to be harmless."""


class Tracing(Protocol):
    """Begins traces."""

    def begin(self, route: str, method: str, request_id: str, headers: Mapping[bytes, bytes]) -> Trace:
        """The trace of a request that has just come; one whose `headers` name a trace becomes a part of that."""


class NoTrace:
    """A trace that nobody collects. Without state, so one serves all requests."""

    __slots__ = ()

    headers: Headers = ()
    trace_id = ""

    def __repr__(self) -> str:
        return "<NoTrace>"

    def enter(self, stage: str) -> None:
        """Do nothing."""

    def event(self, name: str, **attributes: Attribute) -> None:
        """Do nothing."""

    def end(self, *, status: int, outcome: str, facts: Mapping[str, object]) -> None:
        """Do nothing."""


class NoTracing:
    """What is in place where nobody collects traces."""

    def __init__(self) -> None:
        self._trace = NoTrace()

    def __repr__(self) -> str:
        return "<NoTracing>"

    def begin(self, route: str, method: str, request_id: str, headers: Mapping[bytes, bytes]) -> Trace:
        """The same trace for everybody."""
        del route, method, request_id, headers
        return self._trace
