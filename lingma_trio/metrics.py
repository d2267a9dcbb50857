"""What the gateway tells Prometheus, in a registry of its own.

Events of requests are counted where they happen, in plain numbers, since each of Prometheus' own counters takes a lock.
They, and the state that others keep anyway (limiter, sessions, instances), are read when they are asked for, so that
nothing has to be kept in step.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from platform import python_version
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lingma_trio import __version__
from lingma_trio.policy.tallies import Count, Spread

PREFIX = "lingma_gateway_"
STATES = ("starting", "ready", "resting", "drained", "needs_login", "backing_off", "stopped")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)


@dataclass(frozen=True, slots=True)
class LimiterView:
    """The limiter's state at one moment."""

    in_flight: int
    queued: int
    refused_full: int
    refused_late: int


@dataclass(frozen=True, slots=True)
class SessionsView:
    """The sessions' state at one moment; all but `size` count since the start, `misses` and `commits` by their
    reason.
    """

    size: int
    hits: int
    misses: Mapping[str, int]
    commits: Mapping[str, int]
    evictions: int
    expiries: int


@dataclass(frozen=True, slots=True)
class AgentView:
    """What an agent has done beside answering since the start; `tools_ran` by the kind of tool."""

    tools_ran: Mapping[str, int]
    abandoned: int
    junk: int


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One instance's state at one moment; `allowance` holds the numbers that Lingma tells of its account, `agent` is
    None where it is no agent, and `ahead` is what became of sessions that were opened ahead.
    """

    name: str
    state: str
    turns: int
    restarts: int
    rpc_errors: dict[str, int]
    allowance: Mapping[str, float] = field(default_factory=dict)
    agent: AgentView | None = None
    replaced: int = 0
    ahead: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyView:
    """One API key's use at one moment, by the name that the settings give it; the tokens are estimates."""

    name: str
    outcomes: dict[str, int]
    prompt_tokens: int
    answer_tokens: int
    in_flight: int
    queued: int


@dataclass(frozen=True, slots=True)
class KeysFileView:
    """KEYS_FILE: whether it cannot be used as it is now, and how often it was read with and without success."""

    faulty: bool
    loads: int
    failures: int


@dataclass(frozen=True, slots=True)
class LinkView:
    """The link to the store that gateways share; `failures` are trips that came to nothing, by reason."""

    up: bool
    replicas: int
    trips: int
    failures: Mapping[str, int]


class LiveState(Protocol):
    """What can be asked for the state of the moment."""

    def limiter_view(self) -> LimiterView:
        """The limiter."""

    def bytes_in_flight(self) -> int:
        """Bytes of requests under way and of complete answers unread."""

    def sessions_view(self) -> SessionsView:
        """The sessions."""

    def key_views(self) -> Iterable[KeyView]:
        """Every API key."""

    def agent_counts(self) -> Mapping[str, int] | None:
        """How many of the agents stand how, where LINGMA_UPSTREAM is agents."""

    def keys_file_view(self) -> KeysFileView | None:
        """KEYS_FILE, where there is one."""

    def link_view(self) -> LinkView | None:
        """The link to a store, where there is one."""

    def instance_views(self) -> Iterable[InstanceView]:
        """Every instance."""


class Metrics:
    """Counters and histograms of requests, and the page they make together with the live state; of the gateway of the
    name `replica`, where it has one.
    """

    def __init__(self, replica: str = "") -> None:
        self.registry = CollectorRegistry()
        self._replica = replica
        now = time.time()
        self._requests: dict[tuple[str, str], tuple[Count, Spread]] = {}
        self._total: dict[str, Spread] = {}
        self._cancellations: dict[str, Count] = {}
        self.deltas = Count(now)
        self.prompt_tokens = Count(now)
        self.answer_tokens = Count(now)
        self.queue_wait = Spread(SECONDS, now)
        self.first_delta = Spread(SECONDS, now)
        self.registry.register(self)
        facts = {"version": __version__, "python": python_version()}
        build = Gauge(f"{PREFIX}build_info", "Version of the gateway", list(facts), registry=self.registry)
        build.labels(**facts).set(1)

    def count_request(self, route: str, outcome: str, seconds: float) -> None:
        """Count one request that is over. There are few routes and outcomes."""
        found = self._requests.get((route, outcome))
        if found is None:
            total = self._total.setdefault(route, Spread(SECONDS, now := time.time()))
            found = self._requests[route, outcome] = Count(now), total
        found[0].count += 1
        found[1].observe(seconds)

    def count_cancellation(self, stage: str) -> None:
        """Count one whose client left at that stage."""
        self._cancellations.setdefault(stage, Count(time.time())).count += 1

    def collect(self) -> Iterator[Metric]:
        """What was counted of requests, as Prometheus' registry asks for it."""
        requests = [(labels, tally) for labels, (tally, _) in self._requests.items()]
        left = [((stage,), tally) for stage, tally in self._cancellations.items()]
        total = [((route,), spread) for route, spread in self._total.items()]
        yield _tallied("requests", "Requests by route and outcome", requests, "route", "outcome")
        yield _tallied("cancellations", "Requests whose client left, by stage", left, "stage")
        yield _tallied("deltas", "Deltas with text that came from Lingma", [((), self.deltas)])
        yield _tallied("prompt_tokens_estimated", "Tokens of prompts, estimated", [((), self.prompt_tokens)])
        yield _tallied("answer_tokens_estimated", "Tokens of answers, estimated", [((), self.answer_tokens)])
        waits, firsts = [((), self.queue_wait)], [((), self.first_delta)]
        yield _spread("queue_wait_seconds", "Time in the queue, for a slot and a Lingma with room", waits)
        yield _spread("time_to_first_delta_seconds", "Time from arrival to the first delta", firsts)
        yield _spread("request_duration_seconds", "Time from arrival to the end, by route", total, "route")

    def attach(self, state: LiveState) -> None:
        """Show `state` as well."""
        self.registry.register(_LiveCollector(state))

    def page(self) -> bytes:
        """Everything in Prometheus' text format."""
        return metrics_page(self.registry, self._replica)


def _tallied(name: str, text: str, tallies: Iterable[tuple[Sequence[str], Count]], *labels: str) -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for values, tally in tallies:
        family.add_metric(values, tally.count, created=tally.began)
    return family


def _spread(name: str, text: str, spreads: Iterable[tuple[Sequence[str], Spread]], *labels: str) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, text, labels=labels)
    for values, spread in spreads:
        limits = [*(str(float(bound)) for bound in spread.bounds), "+Inf"]
        family.add_metric(values, list(zip(limits, accumulate(spread.counts), strict=True)), spread.sum)
        family.add_sample(f"{family.name}_created", dict(zip(labels, values, strict=True)), spread.began)
    return family


class _Labelled(CollectorRegistry):
    """What `registry` has, with one more label on each sample."""

    def __init__(self, registry: CollectorRegistry, **label: str) -> None:
        super().__init__()
        self._registry = registry
        self._label = label

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [sample._replace(labels={**sample.labels, **self._label}) for sample in family.samples]
            yield family


def metrics_page(registry: CollectorRegistry, replica: str) -> bytes:
    """All of it in Prometheus' text format, each sample with the name of this process where it has one."""
    return generate_latest(_Labelled(registry, replica=replica) if replica else registry)


class _LiveCollector(Collector):
    def __init__(self, state: LiveState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        yield from self._limiter(self._state.limiter_view())
        size = self._state.bytes_in_flight()
        yield GaugeMetricFamily(f"{PREFIX}bytes_in_flight", "Bytes of requests and unread answers", size)
        yield from self._sessions(self._state.sessions_view())
        yield from self._keys(self._state.key_views())
        if (file := self._state.keys_file_view()) is not None:
            yield from self._keys_file(file)
        if (link := self._state.link_view()) is not None:
            yield from self._link(link)
        if (standings := self._state.agent_counts()) is not None:
            agents = GaugeMetricFamily(f"{PREFIX}agents", "Agents by how they stand", labels=["state"])
            for standing, count in standings.items():
                agents.add_metric([standing], count)
            yield agents
        instances = list(self._state.instance_views())
        yield from self._instances(instances)
        yield from self._agents(instances)

    @staticmethod
    def _link(view: LinkView) -> Iterator[Metric]:
        yield GaugeMetricFamily(f"{PREFIX}store_up", "Whether the store that gateways share answers", view.up)
        yield GaugeMetricFamily(
            f"{PREFIX}store_replicas", "Gateways that share the store, as last known", view.replicas
        )
        yield CounterMetricFamily(f"{PREFIX}store_trips", "Round trips to the store", view.trips)
        failures = CounterMetricFamily(f"{PREFIX}store_failures", "Trips that came to nothing", labels=["reason"])
        for reason, count in view.failures.items():
            failures.add_metric([reason], count)
        yield failures

    @staticmethod
    def _limiter(view: LimiterView) -> Iterator[Metric]:
        yield GaugeMetricFamily(f"{PREFIX}in_flight_requests", "Chat requests that hold a slot", view.in_flight)
        yield GaugeMetricFamily(f"{PREFIX}queued_requests", "Chat requests that wait for a slot", view.queued)
        rejected = CounterMetricFamily(f"{PREFIX}rejected_requests", "Chat requests refused a slot", labels=["reason"])
        rejected.add_metric(["queue_full"], view.refused_full)
        rejected.add_metric(["queue_timeout"], view.refused_late)
        yield rejected

    @staticmethod
    def _sessions(view: SessionsView) -> Iterator[Metric]:
        yield GaugeMetricFamily(f"{PREFIX}session_cache_entries", "Sessions that can be continued", view.size)
        for name, text, value in (
            ("hits", "Conversations that continued a session", view.hits),
            ("evictions", "Sessions dropped for want of room", view.evictions),
            ("expiries", "Sessions dropped for their age", view.expiries),
        ):
            yield CounterMetricFamily(f"{PREFIX}session_cache_{name}", text, value)
        for name, text, counts in (
            ("misses", "Conversations that went on and found no session, by why", view.misses),
            ("commits", "Whole answers by what became of their session", view.commits),
        ):
            family = CounterMetricFamily(f"{PREFIX}session_{name}", text, labels=["reason"])
            for reason, count in sorted(counts.items()):
                family.add_metric([reason], count)
            yield family

    @staticmethod
    def _keys(views: Iterable[KeyView]) -> Iterator[Metric]:
        requests = CounterMetricFamily(f"{PREFIX}key_requests", "Requests of a key", labels=["key", "outcome"])
        tokens = CounterMetricFamily(
            f"{PREFIX}key_tokens_estimated", "Tokens of a key, estimated", labels=["key", "kind"]
        )
        in_flight = GaugeMetricFamily(f"{PREFIX}key_in_flight_requests", "Slots that a key holds", labels=["key"])
        queued = GaugeMetricFamily(f"{PREFIX}key_queued_requests", "Requests of a key that wait", labels=["key"])
        for view in views:
            for outcome, count in view.outcomes.items():
                requests.add_metric([view.name, outcome], count)
            tokens.add_metric([view.name, "prompt"], view.prompt_tokens)
            tokens.add_metric([view.name, "answer"], view.answer_tokens)
            in_flight.add_metric([view.name], view.in_flight)
            queued.add_metric([view.name], view.queued)
        yield from (requests, tokens, in_flight, queued)

    @staticmethod
    def _keys_file(view: KeysFileView) -> Iterator[Metric]:
        yield GaugeMetricFamily(f"{PREFIX}keys_file_faulty", "1 while KEYS_FILE cannot be used", float(view.faulty))
        loads = CounterMetricFamily(f"{PREFIX}keys_file_loads", "Readings of KEYS_FILE", labels=["result"])
        loads.add_metric(["ok"], view.loads)
        loads.add_metric(["faulty"], view.failures)
        yield loads

    @staticmethod
    def _instances(views: list[InstanceView]) -> Iterator[Metric]:
        state = GaugeMetricFamily(f"{PREFIX}instance_state", "1 for the state it is in", labels=["instance", "state"])
        turns = GaugeMetricFamily(f"{PREFIX}instance_turns", "Turns under way", labels=["instance"])
        restarts = CounterMetricFamily(f"{PREFIX}instance_restarts", "Lives that ended", labels=["instance"])
        errors = CounterMetricFamily(
            f"{PREFIX}rpc_errors", "Failed calls to Lingma, and no message", labels=["instance", "method"]
        )
        allowance = GaugeMetricFamily(
            f"{PREFIX}account_allowance", "Numbers that Lingma tells of quota and plan", labels=["instance", "name"]
        )
        ahead = CounterMetricFamily(
            f"{PREFIX}sessions_ahead", "Sessions opened before they were needed", labels=["instance", "fate"]
        )
        for view in views:
            for name in STATES:
                state.add_metric([view.name, name], float(view.state == name))
            turns.add_metric([view.name], view.turns)
            restarts.add_metric([view.name], view.restarts)
            for method, count in view.rpc_errors.items():
                errors.add_metric([view.name, method], count)
            for name, number in view.allowance.items():
                allowance.add_metric([view.name, name], number)
            for fate, count in view.ahead.items():
                ahead.add_metric([view.name, fate], count)
        yield from (state, turns, restarts, errors, allowance, ahead)

    @staticmethod
    def _agents(views: list[InstanceView]) -> Iterator[Metric]:
        tools = CounterMetricFamily(
            f"{PREFIX}acp_tool_ran", "Tools of an agent's own that ran though they were to be off",
            labels=["instance", "kind"],
        )  # fmt: skip
        abandoned = CounterMetricFamily(
            f"{PREFIX}acp_sessions_abandoned", "Cancelled turns that an agent did not end", labels=["instance"]
        )
        junk = CounterMetricFamily(
            f"{PREFIX}acp_junk_lines", "Lines of an agent that were no messages", labels=["instance"]
        )
        replaced = CounterMetricFamily(
            f"{PREFIX}acp_agents_replaced", "Lives of an agent that ended because they had done their work",
            labels=["instance"],
        )  # fmt: skip
        for view in views:
            if view.agent is not None:
                for kind, count in view.agent.tools_ran.items():
                    tools.add_metric([view.name, kind], count)
                abandoned.add_metric([view.name], view.agent.abandoned)
                junk.add_metric([view.name], view.agent.junk)
                replaced.add_metric([view.name], view.replaced)
        yield from (tools, abandoned, junk, replaced)
