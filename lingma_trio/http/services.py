"""What handlers work with: the parts of one running gateway, put together by `gateway.open_gateway`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Literal, Self, TypeAlias, get_args

import structlog
import trio

from lingma_trio.errors import GatewayError, RequestTimeout, ShuttingDown
from lingma_trio.http.auth import Gatekeeper
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

LAST_WORDS = 0.5
"""Seconds for telling clients that a drain ends their streams; less than the server leaves for it."""

Verdict: TypeAlias = Literal["ready", "degraded", "not_ready", "draining"]

Upstream: TypeAlias = Literal["lingma", "acp", "simulator"]

log = structlog.get_logger("lingma_trio.http")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may take: bytes of its body, seconds for all of it, seconds between signs of life."""

    max_request: int
    request_timeout: float
    keepalive: float


class Ceiling:
    """The latest moment at which requests end: GATEWAY_REQUEST_TIMEOUT each, and all of them when a drain runs out.

    That is when answers have to be made. What is made, or what is to be said of one that is not, has `delivery` seconds
    more to reach a client, in a drain LAST_WORDS.
    """

    def __init__(self, seconds: float, *, delivery: float) -> None:
        self._seconds = seconds
        self._delivery = delivery
        self._open: dict[trio.CancelScope, float] = {}  # with the seconds that each has beyond the drain
        self._drained_at: float | None = None

    @property
    def draining(self) -> bool:
        """Whether the gateway is on its way out."""
        return self._drained_at is not None

    def drain(self, seconds: float) -> None:
        """From now on requests have `seconds` left."""
        self._drained_at = trio.current_time() + seconds
        for scope, more in self._open.items():
            scope.deadline = min(scope.deadline, self._drained_at + more)

    @contextmanager
    def over(self) -> Iterator[trio.CancelScope]:
        """Bound the making of an answer, in a scope by which others may end it too.

        Raises `RequestTimeout`, or `ShuttingDown` where it was the drain.
        """
        scope = self._scope(self._seconds, 0)
        try:
            with scope:
                yield scope
        finally:
            del self._open[scope]
        if _is_overdue(scope):
            raise self._verdict()

    def over_both(self) -> Bound:
        """Bound the making of an answer as `over`, and once that is `made` its delivery, in one scope."""
        return Bound(self, self._scope(self._seconds, 0))

    @contextmanager
    def over_words(self) -> Iterator[trio.CancelScope]:
        """Bound what is said once the time of an answer is over, in a scope of its own: why it was not made, or what
        was made just then.
        """
        scope = self._scope(self._delivery, LAST_WORDS)
        with scope, self._watched(scope):
            yield scope

    def over_delivery(self, scope: trio.CancelScope) -> AbstractContextManager[None]:
        """Bound by `scope`, whose block this one is in, what goes on beside the making and beyond it. A response that
        is not sent by then is cut off.
        """
        scope.deadline = self._at_the_latest(trio.current_time() + self._seconds + self._delivery, LAST_WORDS)
        self._open[scope] = LAST_WORDS
        return self._watched(scope)

    def prolong(self, scope: trio.CancelScope) -> None:
        """Let a scope that bounded the making of an answer bound its delivery from now on."""
        self._open[scope] = LAST_WORDS
        scope.deadline = self._at_the_latest(scope.deadline + self._delivery, LAST_WORDS)

    def forget(self, scope: trio.CancelScope) -> None:
        """What was bounded by `scope` is over."""
        del self._open[scope]

    def judge(self, bound: Bound) -> None:
        """Raise as `over` where what `bound` was for was not made in time, and tell of a client that was too slow."""
        if _is_overdue(bound.scope):
            if not bound.is_made:
                raise self._verdict()
            self._tell_slow()

    @contextmanager
    def _watched(self, scope: trio.CancelScope) -> Iterator[None]:
        """Forget the scope at the end of the block, and tell where its time was over by then."""
        try:
            yield
        except trio.Cancelled:
            if trio.current_time() >= scope.deadline:
                self._tell_slow()
            raise
        finally:
            del self._open[scope]

    def _scope(self, seconds: float, more: float) -> trio.CancelScope:
        scope = trio.CancelScope(deadline=self._at_the_latest(trio.current_time() + seconds, more))
        self._open[scope] = more
        return scope

    def _at_the_latest(self, deadline: float, more: float) -> float:
        return deadline if self._drained_at is None else min(deadline, self._drained_at + more)

    def _tell_slow(self) -> None:
        log.info("client_too_slow", seconds=self._seconds + self._delivery)

    def _verdict(self) -> GatewayError:
        if self._drained_at is not None and trio.current_time() >= self._drained_at:
            return ShuttingDown("the gateway is stopping; send the request again in a moment", retry_after=5)
        return RequestTimeout(f"the request took longer than {self._seconds:g} s (GATEWAY_REQUEST_TIMEOUT)")


class Bound:
    """The block of one answer whose making and delivery follow each other; see `Ceiling.over_both`. A class, since each
    request has one and a generator for it costs three times the calls.
    """

    __slots__ = ("_ceiling", "is_made", "scope")

    def __init__(self, ceiling: Ceiling, scope: trio.CancelScope) -> None:
        self._ceiling = ceiling
        self.scope = scope
        self.is_made = False

    def __repr__(self) -> str:
        return f"<Bound is_made={self.is_made}>"

    def __enter__(self) -> Self:
        self.scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            caught = self.scope.__exit__(kind, fault, trace)
        finally:
            self._ceiling.forget(self.scope)
        if caught:  # and nothing else went wrong beside it
            self._ceiling.judge(self)
        return caught

    def made(self) -> bool:
        """The answer is there, or why there is none; what is left to do is to deliver that.

        Returns whether that can be done here: what was ended meanwhile, as while the store is told, which nothing cuts
        short, has nothing more done in it.
        """
        self.is_made = True
        if self.scope.cancel_called:
            return False
        self._ceiling.prolong(self.scope)
        return True


def _is_overdue(scope: trio.CancelScope) -> bool:
    """Whether it ended at its deadline, and not by somebody's word."""
    return scope.cancelled_caught and trio.current_time() >= scope.deadline


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
