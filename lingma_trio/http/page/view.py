"""What the page shows at one moment, ready to be written down. Pure: no clock, no services."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from statistics import median
from typing import Any

from lingma_trio.http.page.places import PLACES, Place
from lingma_trio.http.page.plot import bars, dots, scale_end
from lingma_trio.policy.aliases import Alias
from lingma_trio.policy.pace import SLOTS, Wait
from lingma_trio.policy.recent import RequestLine
from lingma_trio.state.replicas import Replica
from lingma_trio.task_tree import Node

BAR = 100
"""Length of the bar of a request's times."""


@dataclass(frozen=True, slots=True)
class InstancePanel:
    """One instance. `last_end` says how the life before this one ended, and `detail` what it printed last. `login_url`
    leads into its account, so only the operator sees it. `label` is the account's name, empty where it has none, and
    `account` what Lingma tells of its quota and plan.
    """

    name: str
    state: str
    reason: str
    last_end: str
    detail: str
    turns: int
    restarts: int
    models: int
    drained: bool
    login_url: str
    wants_login: bool
    account: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: `path` in its box, what its top stands for, and the two figures beside it; empty without anything."""

    path: str
    top: str
    typical: str
    most: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """The figures of the moment. `keys_fault` says what is wrong with KEYS_FILE, or is empty; `replicas` are all
    gateways that share a store.
    """

    in_flight: int
    slots: int | None
    queued: int
    refused: int
    sessions: int
    hit_rate: str
    uptime_minutes: int
    restarts: int
    keys_fault: str = ""
    replicas: Sequence[Replica] = ()


@dataclass(frozen=True, slots=True)
class UnderwayLine:
    """A request for an answer that is not over. `seconds` is its age."""

    id: str
    request_id: str
    key: str
    model: str
    instance: str
    client: str
    stage: str
    seconds: int
    deltas: int
    cancelled: bool


@dataclass(frozen=True, slots=True)
class UnderwayPanel:
    """Those under way, oldest first, how many `more` there are, and those that have just `ended`."""

    lines: Sequence[UnderwayLine]
    more: int
    ended: Sequence[RequestLine]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast answers came lately."""

    first_delta: Plot
    deltas: Plot


@dataclass(frozen=True, slots=True)
class TreePanel:
    """The tree of `tasks` tasks, and what is known of those of its branches that are requests, by the task's name."""

    root: Node
    tasks: int
    branches: Mapping[str, UnderwayLine]


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One model: what else it is called, how many tokens it reads, if known, and which instances have it.

    Each of `instances` is a name with the seconds for which the model rests there.
    """

    key: str
    name: str
    default: bool
    aliases: Sequence[str]
    context: int | None
    sees: bool
    reasons: bool
    instances: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class ModelsPanel:
    """The models of all accounts, and the aliases that are patterns."""

    models: Sequence[ModelLine]
    patterns: Sequence[Alias]


@dataclass(frozen=True, slots=True)
class Requests:
    """The newest requests, and the newest of those that failed."""

    lines: Sequence[RequestLine]
    failures: Sequence[RequestLine]


@dataclass(frozen=True, slots=True)
class View:
    """A place of the page. Without `csrf` nobody is signed in; `open_to_sign_in` says whether anybody could.

    `panels` has what the sections show, by their names, `made` a key that was just made, which is shown this once.
    `done` names an action that has just been taken, `fault` says in words what went wrong, `fault_key` which of the
    page's own words do.
    """

    readiness: str
    version: str
    simulated: bool
    open_to_sign_in: bool
    place: Place = PLACES["live"]
    csrf: str = ""
    panels: Mapping[str, Any] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)
    clock: str = ""
    done: str = ""
    fault: str = ""
    fault_key: str = ""

    @property
    def signed_in(self) -> bool:
        """Whether the operator looks."""
        return bool(self.csrf)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a request's time as a part of a bar: where it begins and how long it is, of `BAR`, and its seconds."""

    name: str
    start: float
    length: float
    seconds: float


def bar_of(line: RequestLine) -> list[Span]:
    """The times of a request, one after the other; those of nothing are left out."""
    total = sum(seconds for _, seconds in line.spans)
    spans, start = [], 0.0
    for name, seconds in line.spans:
        length = BAR * seconds / total if total else 0.0
        if length > 0:
            spans.append(Span(name, round(start, 2), round(length, 2), seconds))
        start += length
    return spans


def first_in(node: Node, branches: Container[str]) -> Node:
    """The same tree with the ways to those branches before all others, for the eye."""
    return _ordered(node, branches)[0]


def _ordered(node: Node, branches: Container[str]) -> tuple[Node, bool]:
    """The node in that order, and whether it leads to one of them."""
    pairs = [_ordered(child, branches) for child in node.children]
    leads = node.name in branches or any(leading for _, leading in pairs)
    pairs.sort(key=lambda pair: not pair[1])
    return replace(node, children=tuple(child for child, _ in pairs)), leads


def plot_waits(waits: Sequence[Wait]) -> Plot:
    """Each answer's wait for its first delta, by when it came."""
    values = [wait.seconds for wait in waits]
    if not values:
        return Plot("", "1 s", "", "")
    end = scale_end(values, least=1.0)
    points = [(1 - wait.slots_ago / SLOTS, wait.seconds) for wait in waits]
    return Plot(dots(points, end), f"{end:g} s", f"{median(values):.2f} s", f"{max(values):.2f} s")


def plot_rates(rates: Sequence[float]) -> Plot:
    """Deltas per second, slot by slot."""
    busy = [rate for rate in rates if rate > 0]
    if not busy:
        return Plot("", "10", "", "")
    end = scale_end(busy, least=10.0)
    return Plot(bars(rates, end), f"{end:g}", f"{median(busy):.1f}", f"{max(busy):.1f}")


def hit_rate(hits: int, misses: int) -> str:
    """The share of conversations that continued a session, or a dash before there was any."""
    return f"{100 * hits / (hits + misses):.0f} %" if hits + misses else "–"


def clock_time(at: float) -> str:
    """The time of day, UTC, of seconds since the epoch."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def machine_time(at: float) -> str:
    """The same for a browser, which knows what time that is where it stands."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
