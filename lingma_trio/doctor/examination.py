"""Makes every check, side by side, each within its deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import trio

from lingma_trio.doctor.checks import (
    agent,
    agents,
    binary,
    browser,
    keys,
    login,
    ports,
    proxies,
    settings,
    store,
    work_dirs,
)
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.round_trip import NAME as ROUND_TRIP
from lingma_trio.doctor.round_trip import QUESTION_SECONDS, make_round_trip
from lingma_trio.doctor.site import Site

Look: TypeAlias = Callable[[Site], Awaitable[Iterable[Finding]]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `name` is what its findings are called when it does not end within `seconds`."""

    name: str
    look: Look
    seconds: float = 20.0


def in_thread(look: Callable[[Site], Iterable[Finding]]) -> Look:
    """Let a check wait for disk and network in a thread, which is left to itself when it takes too long."""

    async def look_in_thread(site: Site) -> Iterable[Finding]:
        return await trio.to_thread.run_sync(lambda: list(look(site)), abandon_on_cancel=True)

    return look_in_thread


CHECKS = (
    Check(settings.NAME, in_thread(settings.check_settings)),
    Check(keys.NAME, in_thread(keys.check_keys)),
    Check(binary.NAME, in_thread(binary.check_file)),
    Check(binary.NAME, binary.check_libraries),
    Check(binary.NAME, binary.check_version),
    Check(agent.NAME, in_thread(agent.check_agent)),
    Check(work_dirs.NAME, in_thread(work_dirs.check_work_dirs)),
    Check(ports.NAME, in_thread(ports.check_gateway_port)),
    Check(ports.NAME, in_thread(ports.check_lingma_port)),
    Check(browser.NAME, in_thread(browser.check_browser)),
    Check(proxies.NAME, in_thread(proxies.check_proxies)),
    Check(store.NAME, store.check_store),
    Check(agents.NAME, agents.check_agents),
    Check(login.NAME, login.check_logins, seconds=60.0),
)
"""What can be looked at side by side. None of it starts or changes anything."""


async def examine(site: Site, *, round_trip: bool = True, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Every check's findings, in the order of `checks`; the round trip comes last and alone, for it takes the ports.

    Cancelling ends whatever was started.
    """
    results: list[Iterable[Finding]] = [()] * len(checks)

    async def run(place: int, check: Check) -> None:
        results[place] = await _bounded(check, site)

    async with trio.open_nursery() as nursery:
        for place, check in enumerate(checks):
            nursery.start_soon(run, place, check)
    findings = [finding for found in results for finding in found]
    if round_trip:
        seconds = site.settings.lingma_startup_timeout + 2 * site.settings.lingma_rpc_timeout + 2 * QUESTION_SECONDS
        findings += await _bounded(Check(ROUND_TRIP, make_round_trip, seconds), site)
    return findings


async def _bounded(check: Check, site: Site) -> Iterable[Finding]:
    with trio.move_on_after(check.seconds):
        return await check.look(site)
    what = f"not finished within {check.seconds:g} s"
    return [Finding(check.name, "fault", what, "a disk or a network that does not answer is the usual cause")]
