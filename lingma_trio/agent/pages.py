"""What an agent answers to plain GET requests: probes, metrics, and the tree of its tasks for the operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hmac import compare_digest
from platform import python_version
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from pydantic_core import to_json

from lingma_trio import __version__
from lingma_trio.agent.hosted import Hosted
from lingma_trio.agent.refusals import Refusals
from lingma_trio.logs import Redactor
from lingma_trio.metrics import STATES, metrics_page
from lingma_trio.task_tree import TaskTree

JSON: Final = b"application/json"
PROMETHEUS_TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "lingma_agent_"


@dataclass(frozen=True, slots=True)
class Page:
    """A whole answer."""

    status: int
    body: bytes
    content_type: bytes = JSON


class Pages(Collector):
    """The pages of one agent. Without an `admin_token` nobody sees the tree; without a `metrics_token` all see metrics.

    They are open to anybody else, so they hold states and reasons only.
    """

    def __init__(
        self, hosted: Hosted, refusals: Refusals, redactor: Redactor, *, admin_token: str = "", metrics_token: str = ""
    ) -> None:
        self._hosted = hosted
        self._refusals = refusals
        self._redactor = redactor
        self._admin_token = admin_token
        self._metrics_token = metrics_token
        self._tree = TaskTree()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def __repr__(self) -> str:
        return f"<Pages of {self._hosted!r}>"

    def answer(self, path: str, bearer: str) -> Page | None:
        """The page at `path` for who shows this token; None where there is none for it."""
        if path == "/healthz":
            return Page(200, b'{"status":"ok"}')
        if path == "/readyz":
            return self._readiness()
        if path == "/metrics" and (not self._metrics_token or is_token(bearer, self._metrics_token)):
            return Page(200, metrics_page(self._registry, self._hosted.name), PROMETHEUS_TEXT)
        if path == "/internal/tree" and self._admin_token and is_token(bearer, self._admin_token):
            return Page(200, to_json(self._redactor.value(asdict(self._tree.snapshot()))))
        return None

    def collect(self) -> Iterator[Metric]:
        """The metrics, as they stand at this moment."""
        hosted = self._hosted
        states = GaugeMetricFamily(
            f"{PREFIX}instance_state", "1 for the state of an instance", labels=["instance", "state"]
        )
        turns = GaugeMetricFamily(f"{PREFIX}turns", "Turns under way, of all gateways", labels=["instance"])
        restarts = CounterMetricFamily(f"{PREFIX}instance_restarts", "Lives that ended", labels=["instance"])
        for instance in hosted.instances.values():
            standing = instance.standing.told()[0]
            for state in STATES:
                states.add_metric([instance.name, state], float(state == standing))
            turns.add_metric([instance.name], instance.turns)
            restarts.add_metric([instance.name], instance.lives.restarts)
        yield from (states, turns, restarts)
        yield GaugeMetricFamily(f"{PREFIX}gateways", "Gateways that are told how the instances stand", hosted.gateways)
        refused = CounterMetricFamily(f"{PREFIX}turns_refused", "Turns that were refused", labels=["reason"])
        for reason in ("busy", "draining"):
            refused.add_metric([reason], hosted.refused[reason])
        yield refused
        total = self._refusals.counts.total()
        yield CounterMetricFamily(f"{PREFIX}connections_refused", "Connections that were refused", total)
        build = GaugeMetricFamily(f"{PREFIX}build_info", "The agent's version", labels=["version", "python"])
        build.add_metric([__version__, python_version()], 1.0)
        yield build

    def _readiness(self) -> Page:
        """Whether a turn would be taken, and why not."""
        hosted = self._hosted
        ready = not hosted.stopping and any(each.standing.fault() is None for each in hosted.instances.values())
        report: dict[str, Any] = {
            "status": "draining" if hosted.stopping else "ready" if ready else "not_ready",
            "agent": hosted.name,
            "gateways": hosted.gateways,
            "instances": [
                dict(zip(("name", "state", "reason"), (each.name, *each.standing.told()), strict=True))
                for each in hosted.instances.values()
            ],
        }
        if self._refusals.counts:
            report["refused"] = [{"reason": why, "times": times} for why, times in self._refusals.counts.items()]
        return Page(200 if ready else 503, to_json(self._redactor.value(report)))


def is_token(shown: str, token: str) -> bool:
    """Whether they are the same, found out in constant time."""
    return compare_digest(shown.encode(), token.encode())
