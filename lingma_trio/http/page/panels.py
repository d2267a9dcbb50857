"""What each section of the page shows of a running gateway at one moment.

Reads what others keep and changes nothing; secrets in what Lingma printed are struck out here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

import trio

from lingma_trio.http.page.view import (
    InstancePanel,
    ModelLine,
    ModelsPanel,
    Numbers,
    Pace,
    Requests,
    TreePanel,
    UnderwayLine,
    UnderwayPanel,
    first_in,
    hit_rate,
    plot_rates,
    plot_waits,
)
from lingma_trio.http.services import Services
from lingma_trio.http.underway import Entry
from lingma_trio.lingma.instance import Instance

MOST_UNDERWAY = 50
"""Requests under way that are listed; the others are counted."""

MOST_TASKS = 150
"""Tasks that are drawn; enough for the house and a good many requests, and a picture is a few milliseconds."""

ENDED_SECONDS = 10.0
"""For how long a request that has ended stays with those under way, so that its end is seen."""


def _numbers(services: Services) -> Numbers:
    limiter, sessions = services.limiter.counts, services.sessions
    return Numbers(
        in_flight=limiter.in_flight,
        slots=services.limiter.limit,
        queued=limiter.queued,
        refused=limiter.refused_full + limiter.refused_late,
        sessions=len(sessions),
        hit_rate=hit_rate(sessions.counters.hits, sessions.counters.misses.total()),
        uptime_minutes=int((trio.current_time() - services.began) // 60),
        restarts=sum(instance.lives.restarts for instance in services.pool.instances),
        keys_fault=services.key_watch.fault if services.key_watch is not None else "",
        replicas=services.replicas.seen if services.replicas is not None else (),
    )


def _underway(services: Services) -> UnderwayPanel:
    entries = list(services.underway)
    newest = time.time() - ENDED_SECONDS
    return UnderwayPanel(
        lines=[_line(entry) for entry in entries[:MOST_UNDERWAY]],
        more=max(0, len(entries) - MOST_UNDERWAY),
        ended=[line for line in services.recent.lines if line.at >= newest],
    )


def _line(entry: Entry) -> UnderwayLine:
    exchange = entry.exchange
    return UnderwayLine(
        id=exchange.head.id,
        request_id=exchange.head.request_id,
        key=exchange.tenant.name if exchange.tenant is not None else "",
        model=exchange.facts.get("model") or entry.model[:100],
        instance=exchange.facts.get("instance", ""),
        client=exchange.head.client,
        stage=exchange.progress.stage,
        seconds=int(trio.current_time() - exchange.progress.began),
        deltas=exchange.progress.deltas,
        cancelled=entry.cancelled,
    )


def _instances(services: Services) -> list[InstancePanel]:
    return [_instance(services, instance) for instance in services.pool.instances]


def _instance(services: Services, instance: Instance) -> InstancePanel:
    state, reason = instance.standing.told()
    url = instance.account.login.url if instance.account.login is not None else ""
    return InstancePanel(
        name=instance.name,
        state=state,
        reason=services.redactor.text(reason),
        last_end=services.redactor.text(instance.lives.last_end),
        detail=services.redactor.text(instance.lives.detail),
        turns=instance.turns,
        restarts=instance.lives.restarts,
        models=len(instance.account.catalogue.models),
        drained=instance.standing.drained,
        login_url=url if url.startswith(("https://", "http://")) else "",  # nothing else belongs into a link
        wants_login=instance.lives.state == "needs_login" and instance.account.login is not None,
        account=services.redactor.text(" · ".join(instance.account.about)),
        label=services.redactor.text(instance.label),
    )


def _pace(services: Services) -> Pace:
    now = trio.current_time()
    return Pace(plot_waits(services.pace.waits(now)), plot_rates(services.pace.rates(now)))


def _tree(services: Services) -> TreePanel:
    snapshot = services.tree.snapshot(most=MOST_TASKS)
    branches = {f"request {entry.exchange.head.request_id}": _line(entry) for entry in services.underway}
    return TreePanel(first_in(snapshot.root, branches), snapshot.tasks, branches)


def _requests(services: Services) -> Requests:
    return Requests(services.recent.lines, services.recent.failures)


def _models(services: Services) -> ModelsPanel:
    called: dict[str, list[str]] = {}
    for alias in services.dialogues.aliases.listed:
        model = services.dialogues.find(alias.name)
        called.setdefault(alias.model if model is None else model.key, []).append(alias.name)
    default = services.dialogues.default_model
    lines = [
        ModelLine(
            key=model.key,
            name=model.name,
            default=model.key == default,
            aliases=called.get(model.key, ()),
            context=model.max_input_tokens,
            sees=model.sees,
            reasons=model.reasons,
            instances=[
                (instance.name, ceil(instance.health.resting().get(model.key, 0)))
                for instance in services.pool.instances
                if instance.account.catalogue.has(model.key)
            ],
        )
        for model in services.pool.catalogue.models
    ]
    return ModelsPanel(lines, services.dialogues.aliases.patterns)


def _playground(services: Services) -> list[tuple[str, str]]:
    return [(model.key, model.name) for model in services.pool.catalogue.models]


PANELS: Mapping[str, Callable[[Services], Any]] = {
    "numbers": _numbers,
    "underway": _underway,
    "instances": _instances,
    "pace": _pace,
    "tree": _tree,
    "requests": _requests,
    "models": _models,
    "playground": _playground,
}
"""How the panel of each section is made."""
