"""What the page shows of a month of use: day by day, and key by key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

import trio

from lingma_trio.http.page.plot import bars, scale_end
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant, utc_now
from lingma_trio.policy.recent import UNHARMED
from lingma_trio.policy.use import DayLine, Tally, Use, by_day, by_key, daily, hourly

HOURS = 24
MOST_LINES = 100
"""Lines that are shown of one day; the export has them all."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Requests over time: `path` in a plot's box, and what its top stands for; empty without any."""

    path: str
    top: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day, with what it came to in all, how many requests failed, and its lines."""

    day: date
    total: Tally
    failed: int
    lines: Sequence[DayLine]
    more: int


@dataclass(frozen=True, slots=True)
class UsePanel:
    """The month. `fault` says why it is not kept, or is empty."""

    days: Sequence[Day]
    chart: Chart
    total: Tally
    fault: str


@dataclass(frozen=True, slots=True)
class KeyPanel:
    """One key with its limits, None for none, and its use. `fixed` ones stand in API_KEYS.

    The one `for_nobody` stands for those who need none.
    """

    name: str
    for_nobody: bool
    fixed: bool
    in_flight: int
    max_in_flight: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    models: Sequence[str]
    expires: datetime | None
    expired: bool
    last_used: datetime | None
    total: Tally
    hours: Chart
    days: Chart


@dataclass(frozen=True, slots=True)
class KeysPanel:
    """The keys, and `file`, in which they can be made, or nothing where there is none."""

    keys: Sequence[KeyPanel]
    file: str
    fault: str


def _use(services: Services, use: Use, now: float) -> UsePanel:
    lines = by_day(use, None)
    return UsePanel(
        days=[_day(day, list(of_day)) for day, of_day in groupby(lines, key=lambda line: line.day)],
        chart=_chart(daily(lines, datetime.fromtimestamp(now).astimezone().date())),
        total=_total(lines),
        fault=services.use.fault,
    )


def _day(day: date, lines: list[DayLine]) -> Day:
    failed = sum(line.tally.requests for line in lines if line.outcome not in UNHARMED)
    return Day(day, _total(lines), failed, lines[:MOST_LINES], max(0, len(lines) - MOST_LINES))


def _keys(services: Services, use: Use, now: float) -> KeysPanel:
    watch = services.key_watch
    owned = by_key(use)
    return KeysPanel(
        keys=[_key(services, tenant, owned.get(tenant.name, {}), now) for tenant in services.gatekeeper.tenants],
        file=str(watch.path) if watch is not None else "",
        fault=watch.fault if watch is not None else "",
    )


def _key(services: Services, tenant: Tenant, own: Use, now: float) -> KeyPanel:
    key = tenant.key
    lines = by_day(own, None)
    in_flight, _ = services.key_load(tenant)
    return KeyPanel(
        name=tenant.name,
        for_nobody=tenant is services.gatekeeper.tenants.anonymous,
        fixed=services.gatekeeper.tenants.is_fixed(tenant),
        in_flight=in_flight,
        max_in_flight=key.max_in_flight or None,
        requests_per_minute=key.requests_per_minute or None,
        tokens_per_minute=key.tokens_per_minute or None,
        models=key.models,
        expires=key.expires,
        expired=tenant.has_expired(utc_now()),
        last_used=tenant.last_use(own),
        total=_total(lines),
        hours=_chart(hourly(own, now, hours=HOURS)),
        days=_chart(daily(lines, datetime.fromtimestamp(now).astimezone().date())),
    )


def _chart(tallies: Sequence[Tally]) -> Chart:
    counts = [float(tally.requests) for tally in tallies]
    if not any(counts):
        return Chart("", 0)
    end = scale_end(counts, least=5.0)
    return Chart(bars(counts, end), round(end))


def _total(lines: Iterable[DayLine]) -> Tally:
    return sum((line.tally for line in lines), Tally())


USE_PANELS: Mapping[str, Callable[[Services, Use, float], Any]] = {"use": _use, "keys": _keys}
"""How the panel of each section is made that shows use."""


async def take_use_panels(services: Services, sections: Iterable[str]) -> dict[str, Any]:
    """The panels of those of the sections that show use, which is read from the disk for them."""
    wanted = [section for section in sections if section in USE_PANELS]
    if not wanted:
        await trio.lowlevel.checkpoint()
        return {}
    use = await services.use.month()
    return {section: USE_PANELS[section](services, use, time.time()) for section in wanted}
