"""What handlers work with: the parts of one running gateway, put together by `gateway.open_gateway`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias, get_args

import trio

from lingma_trio.http.auth import Gatekeeper
from lingma_trio.http.ceiling import Ceiling
from lingma_trio.http.key_watch import KeyWatch
from lingma_trio.http.operator_sessions import OperatorSessions
from lingma_trio.http.origins import Origins
from lingma_trio.http.pictures import Pictures
from lingma_trio.http.tenants import Tenant
from lingma_trio.http.underway import Underway
from lingma_trio.http.use_book import UseBook
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.remote.agents import Agents
from lingma_trio.lingma.remote.link import Standing
from lingma_trio.logs import Redactor
from lingma_trio.metrics import (
    AgentView,
    InstanceView,
    KeysFileView,
    KeyView,
    LimiterView,
    LinkView,
    Metrics,
    SessionsView,
)
from lingma_trio.policy.byte_budget import ByteBudget
from lingma_trio.policy.pace import Pace
from lingma_trio.policy.recent import RecentRequests
from lingma_trio.state.link import StoreLink
from lingma_trio.state.rates import Dues, Limits
from lingma_trio.state.rates_memory import LocalDues
from lingma_trio.state.rates_store import SharedRates
from lingma_trio.state.replicas import Replicas
from lingma_trio.state.responses import Responses
from lingma_trio.state.sessions import Sessions
from lingma_trio.task_tree import TaskTree
from lingma_trio.tracing.trace import NoTracing, Tracing

Verdict: TypeAlias = Literal["ready", "degraded", "not_ready", "draining"]

Upstream: TypeAlias = Literal["lingma", "acp", "simulator"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may take: bytes of its body, seconds for all of it, seconds between signs of life."""

    max_request: int
    request_timeout: float
    keepalive: float


@dataclass(slots=True)
class Services:
    """One running gateway.

    `notice` says that the bundled simulator answers in Lingma's place, and why, or is empty. `redactor` keeps secrets
    out of what Lingma printed before anybody sees it. `key_watch` is there where KEYS_FILE is, `link` where this
    gateway shares a store with others, and then `rates` has what requests use of their keys' limits; `agents` is there
    where LINGMA_UPSTREAM is agents.
    """

    gatekeeper: Gatekeeper
    limiter: Limiter
    sessions: Sessions
    responses: Responses
    pool: Pool
    dialogues: Dialogues
    metrics: Metrics
    bounds: Bounds
    byte_budget: ByteBudget
    pictures: Pictures
    ceiling: Ceiling
    notice: str
    created: int
    redactor: Redactor = field(default_factory=partial(Redactor, ()))
    began: float = field(default_factory=trio.current_time)
    tree: TaskTree = field(default_factory=TaskTree)
    tracing: Tracing = field(default_factory=NoTracing)
    operators: OperatorSessions = field(default_factory=OperatorSessions)
    underway: Underway = field(default_factory=Underway)
    use: UseBook = field(default_factory=UseBook)
    recent: RecentRequests = field(default_factory=RecentRequests)
    pace: Pace = field(default_factory=Pace)
    origins: Origins = field(default_factory=Origins)
    key_watch: KeyWatch | None = None
    link: StoreLink | None = None
    rates: SharedRates | None = None
    replicas: Replicas | None = None
    agents: Agents | None = None

    @property
    def play(self) -> str:
        """As `notice`, also of agents that have the simulator for some of the answers."""
        return self.notice or (self.agents.notice if self.agents is not None else "")

    @property
    def simulated(self) -> bool:
        """Whether the bundled simulator is upstream, if only at one agent of several."""
        return bool(self.play)

    @property
    def readiness(self) -> Verdict:
        """Whether a chat would be answered; degraded is a yes, without what only a store of several gateways knows."""
        if self.ceiling.draining:
            return "draining"
        if all(instance.standing.fault() is not None for instance in self.pool.instances):
            return "not_ready"
        return "ready" if self.link is None or self.link.up else "degraded"

    def open_dues(self, limits: Limits) -> Dues:
        """What a request uses of its key's limits, to be counted where they are kept."""
        return LocalDues(limits) if self.rates is None else self.rates.open(limits)

    @property
    def upstream(self) -> Upstream:
        """Who answers: the bundled simulator, Lingma, or agents over ACP."""
        if self.simulated:
            return "simulator"
        return "acp" if any(instance.account.program is not None for instance in self.pool.instances) else "lingma"

    @property
    def owner(self) -> str:
        """Who answers, as `/v1/models` says it."""
        return "lingma-simulator" if self.simulated else self.upstream

    def load(self) -> tuple[float, int]:
        """What others are told of this gateway: the seconds since it began, and its requests in flight."""
        return trio.current_time() - self.began, self.limiter.counts.in_flight

    def key_loads(self) -> dict[str, tuple[int, int]]:
        """What they are told of each key that has requests here: those that hold a slot, and those that wait."""
        loads = {tenant.id: self.limiter.load(tenant.id) for tenant in self.gatekeeper.tenants}
        return {key: load for key, load in loads.items() if any(load)}

    def key_load(self, tenant: Tenant) -> tuple[int, int]:
        """The same of one key, at all gateways that share a store, as far as the last report heard."""
        here = self.limiter.load(tenant.id)
        there = (0, 0) if self.replicas is None else self.replicas.elsewhere(tenant.id)
        return here[0] + there[0], here[1] + there[1]

    def limiter_view(self) -> LimiterView:
        """The limiter, for the metrics."""
        counts = self.limiter.counts
        return LimiterView(counts.in_flight, counts.queued, counts.refused_full, counts.refused_late)

    def bytes_in_flight(self) -> int:
        """Bytes of requests under way and of complete answers unread, for the metrics."""
        return self.byte_budget.held

    def sessions_view(self) -> SessionsView:
        """The sessions, for the metrics."""
        counters = self.sessions.counters
        return SessionsView(
            size=len(self.sessions),
            hits=counters.hits,
            misses=counters.misses.copy(),
            commits=counters.commits.copy(),
            evictions=counters.evictions,
            expiries=counters.expiries,
        )

    def key_views(self) -> Iterable[KeyView]:
        """The API keys, for the metrics."""
        for tenant in self.gatekeeper.tenants:
            in_flight, queued = self.limiter.load(tenant.id)
            yield KeyView(
                name=tenant.name,
                outcomes=dict(tenant.outcomes),
                prompt_tokens=tenant.prompt_tokens,
                answer_tokens=tenant.answer_tokens,
                in_flight=in_flight,
                queued=queued,
            )

    def keys_file_view(self) -> KeysFileView | None:
        """KEYS_FILE, for the metrics; None where there is none."""
        watch = self.key_watch
        return None if watch is None else KeysFileView(bool(watch.fault), watch.loads, watch.failures)

    def agent_counts(self) -> Mapping[str, int] | None:
        """The agents, for the metrics; None where this gateway has its Lingmas itself."""
        if self.agents is None:
            return None
        standings = Counter(standing.state for standing in self.agents.standings)
        return {state: standings[state] for state in get_args(Standing)}

    def link_view(self) -> LinkView | None:
        """The link to the store, for the metrics; None where there is none."""
        link = self.link
        return None if link is None else LinkView(link.up, link.replicas, link.trips, link.failures.copy())

    def instance_views(self) -> Iterable[InstanceView]:
        """The instances, for the metrics."""
        for instance in self.pool.instances:
            state, _ = instance.standing.told()
            yield InstanceView(
                instance.name,
                state,
                instance.turns,
                instance.lives.restarts,
                dict(instance.lives.rpc_errors),
                instance.account.allowance.numbers,
                _agent_view(instance),
                instance.lives.replaced,
                dict(instance.account.ahead),
            )


def _agent_view(instance: Instance) -> AgentView | None:
    if instance.account.program is None:
        return None
    oddities = instance.account.program.oddities
    return AgentView(dict(oddities.tools_ran), oddities.abandoned, oddities.junk)
