"""How instances stand, as gateways are told it. Reads instances and changes nothing."""

from __future__ import annotations

from dataclasses import fields, replace
from operator import attrgetter

from lingma_trio.lingma.instance import Instance
from lingma_trio.protocol.fleet_messages import STATE, FleetState, InstanceReport, LoginReport
from lingma_trio.protocol.jsonrpc import Connection
from lingma_trio.protocol.turn_machine import Terms

_CLOCK = frozenset({"turns", "ready_in", "begins_in", "login", "rests"})
"""Fields of a report that time alone, or a turn, changes; or in which it changes something."""

_steady = attrgetter(*(field.name for field in fields(InstanceReport) if field.name not in _CLOCK))


def report_of(instance: Instance) -> InstanceReport:
    """One instance at this moment."""
    lives, account, health = instance.lives, instance.account, instance.health
    channel = lives.present.channel
    rests = health.resting()
    if whole := health.rest():
        rests[""] = whole
    login = instance.account.login
    return InstanceReport(
        name=instance.name,
        life="" if lives.state == "stopped" else instance.life,
        state=lives.state,
        reason=lives.reason,
        wait=lives.wait,
        ready_in=lives.ready_in,
        begins_in=lives.begins_in,
        last_end=lives.last_end,
        detail=lives.detail,
        drained=instance.standing.drained,
        label=instance.label,
        account=account.name,
        about=account.about,
        remark=account.remark,
        terms=Terms() if channel is None else channel.terms,
        models=account.catalogue.models,
        allowance=account.allowance,
        turns=instance.turns,
        most=health.most,
        bound=health.bound,
        generation=lives.generation,
        restarts=lives.restarts,
        replaced=lives.replaced,
        rests=rests,
        login=None
        if login is None
        else LoginReport(login.state, login.reason, login.url, round(login.next_attempt_in, 1)),
    )


def push_of(state: FleetState, *, models: bool) -> bytes:
    """What tells a gateway of it, be it whichever: so it is made once, however many there are.

    Without `models` those are left out, which are most of it and hardly ever change: gateways keep what they have.
    """
    if not models:
        state = replace(state, instances=tuple(replace(report, models=()) for report in state.instances))
    return Connection().notify(STATE, state.body())


def without_clock(state: FleetState) -> object:
    """What is news where it differs: all but what time alone changes, and how many turns are under way.

    Whether there is room is news.
    """
    return state.stopping, [_without_clock(report) for report in state.instances]


def _without_clock(report: InstanceReport) -> object:
    full = 0 < report.most <= report.turns
    login = None if report.login is None else replace(report.login, next_attempt_in=0.0)
    return full, login, report.rests.keys(), _steady(report)
