"""`lingma-trio status`: shows a gateway that runs, as its own interface tells of it.

Parses, delegates and prints. The admin token goes into a header and nowhere else.
"""

from __future__ import annotations

import sys
from functools import partial

import click
import trio
from pydantic_core import to_json

from lingma_trio.commands.printing import clean, coloured, say, table
from lingma_trio.commands.starting import settings_here_or_exit
from lingma_trio.config import Settings
from lingma_trio.doctor.running import InstanceReport, NoGateway, Readiness, RunningGateway, Stats

READY, NOT_READY, UNREACHABLE = 0, 1, 3


def status(url: str, as_json: bool) -> None:
    """Do what `lingma-trio status` is for, and end the process with the status that its help names."""
    settings = settings_here_or_exit()
    try:
        gateway = RunningGateway.of(settings, url)
        readiness, stats = trio.run(partial(_ask, gateway))
    except NoGateway as fault:
        click.echo(to_json({"status": "unreachable", "reason": str(fault)}, indent=2) if as_json else str(fault))
        sys.exit(UNREACHABLE)
    if as_json:
        click.echo(to_json(_report(gateway, readiness, stats), indent=2))
    else:
        _print(gateway, readiness, stats, settings)
    sys.exit(READY if readiness.status == "ready" else NOT_READY)


async def _ask(gateway: RunningGateway) -> tuple[Readiness, Stats | None]:
    return await gateway.readiness(), await gateway.stats()


def _report(gateway: RunningGateway, readiness: Readiness, stats: Stats | None) -> dict[str, object]:
    return {
        "url": gateway.url,
        **readiness.model_dump(exclude_none=True),
        "stats": None if stats is None else stats.model_dump(exclude_none=True),
    }


def _print(gateway: RunningGateway, readiness: Readiness, stats: Stats | None, settings: Settings) -> None:
    level = "fine" if readiness.status == "ready" else "fault"
    state = readiness.status.replace("_", " ")
    say(f"{gateway.url} is {coloured(state, level)}; upstream is {readiness.upstream}")
    if readiness.notice:
        say(clean(readiness.notice))
    say("")
    if stats is None:
        table(["instance", "state", "reason"], [_row(instance) for instance in readiness.instances])
        if settings.admin_token:
            say("\nno statistics: the gateway does not take this ADMIN_TOKEN")
        return
    reasons = {instance.name: instance.reason for instance in readiness.instances}
    table(
        ["instance", "account", "state", "turns", "restarts", "models", "reason"],
        [_full_row(instance, reasons.get(instance.name, instance.reason)) for instance in stats.instances],
    )
    for instance in stats.instances:
        if words := instance.about:
            what = "account of" if instance.agent is None else "agent"
            say(f"{what} {clean(instance.name)}: {clean(', '.join(words))}")
    say("")
    if stats.replicas:
        table(
            ["gateway", "up for", "in flight"],
            [[clean(each.name), f"{each.age} s", str(each.in_flight)] for each in stats.replicas],
        )
        say("")
    if stats.keys.file is not None and stats.keys.file.fault:
        fault = f"KEYS_FILE is faulty, and the keys of before stay in force: {clean(stats.keys.file.fault)}"
        say(coloured(fault, "fault") + "\n")
    say(f"version {clean(stats.version)}, up for {stats.uptime_seconds:.0f} s")
    for name, numbers in (("requests", stats.limiter), ("sessions", stats.sessions)):
        say(f"{name}: " + ", ".join(f"{clean(key)} {value:g}" for key, value in numbers.items()))


def _row(instance: InstanceReport) -> list[str]:
    return [clean(instance.name), clean(instance.state), clean(instance.reason)]


def _full_row(instance: InstanceReport, reason: str) -> list[str]:
    counts = (instance.turns, instance.restarts, None if instance.models is None else len(instance.models))
    numbers = ["" if count is None else str(count) for count in counts]
    return [clean(instance.name), clean(instance.account_name), clean(instance.state), *numbers, clean(reason)]
