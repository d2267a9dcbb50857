"""Whether the agents can be reached whose Lingmas a gateway asks, and how those stand."""

from __future__ import annotations

from collections.abc import Iterator

import trio

from lingma_trio.config import Settings
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site
from lingma_trio.lingma.remote.dial import Dialler, Streams, Unreachable, look_up
from lingma_trio.lingma.remote.link import AgentLink
from lingma_trio.policy.agent_address import AgentAddress

NAME = "agents"


async def check_agents(site: Site) -> list[Finding]:
    """Each agent of LINGMA_AGENTS, asked as a gateway would ask it; nothing where LINGMA_UPSTREAM is another one."""
    if not site.elsewhere:
        return []
    found: dict[AgentAddress, list[Finding]] = {address: [] for address in site.settings.lingma_agents}

    async def look(address: AgentAddress) -> None:
        try:
            places = await look_up(address)
        except Unreachable as fault:
            found[address].append(Finding(NAME, "fault", site.printable(f"{address}: {fault}")))
            return
        for place in places:
            found[address] += await _ask(site, place)

    async with trio.open_nursery() as nursery:
        for address in found:
            nursery.start_soon(look, address)
    if not found:
        return [Finding(NAME, "skipped", "LINGMA_AGENTS is empty: the agents are those that register in the store")]
    return [finding for findings in found.values() for finding in findings]


async def _ask(site: Site, place: AgentAddress) -> list[Finding]:
    heard = trio.Event()
    link = AgentLink(place, _dialler(site.settings), on_state=lambda *_: heard.set(), on_lost=lambda _: heard.set())
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        await heard.wait()
        findings = list(_judged(site, link, trio.current_time() - began))
        nursery.cancel_scope.cancel("what it said is known")
    return findings


def _dialler(settings: Settings) -> Dialler:
    streams = Streams(settings.agent_cert_file, settings.agent_key_file, settings.agent_ca_file)
    return Dialler(streams.open, settings.agent_token.get_secret_value())


def _judged(site: Site, link: AgentLink, seconds: float) -> Iterator[Finding]:
    if not link.connected:
        yield Finding(NAME, "fault", site.printable(f"{link.address}: {link.reason}"))
        return
    reports = link.state.instances
    ready = sum(report.state == "ready" and not report.drained for report in reports)
    what = f"{link.address} is {link.name}; {ready} of its {len(reports)} instances can be asked"
    yield Finding(NAME, "fine", site.printable(what), seconds=seconds)
    for report in reports:
        if report.state != "ready":
            yield Finding(NAME, "warning", site.printable(f"{report.name} is {report.state}: {report.reason}"))
