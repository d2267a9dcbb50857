"""What the page shows at one moment, ready to be written down. Pure: no clock, no services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from lingma_trio.http.page.plot import bars, dots, scale_end
from lingma_trio.policy.pace import SLOTS, Wait
from lingma_trio.policy.recent import RequestLine


@dataclass(frozen=True, slots=True)
class InstancePanel:
    """One instance. `last_end` says how the life before this one ended, and `detail` what it printed last. `login_url`
    leads into its account, so only the operator sees it.
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


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: `path` in its box, what its top stands for, and the two figures beside it; empty without anything."""

    path: str
    top: str
    typical: str
    most: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """The figures of the moment."""

    in_flight: int
    queued: int
    refused: int
    sessions: int
    hit_rate: str
    uptime_minutes: int
    restarts: int


@dataclass(frozen=True, slots=True)
class Board:
    """All that is kept up to date. `keys_fault` says what is wrong with KEYS_FILE, or is empty."""

    instances: Sequence[InstancePanel]
    numbers: Numbers
    first_delta: Plot
    deltas: Plot
    requests: Sequence[RequestLine]
    failures: Sequence[RequestLine]
    keys_fault: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """The whole page. Without a `board` nobody is signed in; `open_to_sign_in` says whether anybody could.

    `done` names an action that has just been taken, `fault` says in words what went wrong, `fault_key` which of the
    page's own words do.
    """

    readiness: str
    version: str
    simulated: bool
    open_to_sign_in: bool
    csrf: str = ""
    board: Board | None = None
    models: Sequence[tuple[str, str]] = ()
    clock: str = ""
    done: str = ""
    fault: str = ""
    fault_key: str = ""


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
