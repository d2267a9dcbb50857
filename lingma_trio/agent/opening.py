"""Puts one agent together from its settings, and holds the root of its nursery tree.

open_agent
├─ pulse                        where systemd watches
├─ link to the store            with STATE_URL
├─ registrar                    with STATE_URL: says there where it is, and what is drained and rests
├─ state teller                 tells gateways how the instances stand
└─ supervisor of NAME           one for each instance, as in a gateway
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import structlog
import trio

from lingma_trio.agent.hosted import Hosted
from lingma_trio.config import Settings
from lingma_trio.edge.addresses import path_in
from lingma_trio.fleet import plan_fleet, simulator_notice
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.registrar import Registrar
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.policy.backoff import Backoff
from lingma_trio.state.instances import InstanceRegistry
from lingma_trio.state.link import kept
from lingma_trio.state.wire import link_to
from lingma_trio.systemd import ServiceManager

ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - as a host that names no address

log = structlog.get_logger("lingma_trio.agent")


@asynccontextmanager
async def open_agent(
    settings: Settings, manager: ServiceManager | None = None, *, places: Sequence[str] = ()
) -> AsyncIterator[Hosted]:
    """Run an agent's instances for the length of the block. The watchdog of `manager` hears that it lives; `places` are
    where gateways find it.

    A Lingma that cannot be started never ends the block, nor does a store that cannot be reached. Leaving the block, or
    cancelling it, ends every Lingma. Raises `ConfigurationFault` for work directories that another one uses, and where
    STATE_URL lacks its client. A bug in the tree leaves as an exception group.
    """
    for warning in settings.warnings:
        log.warning("settings", warning=warning)
    with plan_fleet(settings) as fleet:
        name = name_of(settings, socket.gethostname())
        notice = simulator_notice(settings)
        if notice:
            log.warning("simulator", notice=notice)
        named = [replace(options, name=f"{name}.{options.name}") for options in fleet]
        for options in named:
            log.info("instance", instance=options.name, account=options.label, work_dir=str(options.work_dir))
        instances = [Instance(options, Backoff()) for options in named]
        hosted = Hosted(name, instances, url=url_of(settings, places), notice=notice)
        link = link_to(settings.state_url, name, counted=False)
        async with kept(link), trio.open_nursery() as root:
            if manager is not None:
                root.start_soon(manager.pulse, name="pulse")
            if link is not None:
                if not hosted.url:
                    log.warning("agent_url", remedy="set AGENT_URL, or list the agent in the gateways' LINGMA_AGENTS")
                registrar = Registrar(InstanceRegistry(link), name, hosted.url, hosted.instances)
                await registrar.begin()
                root.start_soon(registrar.keep, name="registrar")
            root.start_soon(hosted.tell, name="state teller")
            for instance in hosted.instances.values():
                root.start_soon(instance.lives.live, name=f"supervisor of {instance.name}")
            yield hosted
            root.cancel_scope.cancel("the agent is stopping")


def url_of(settings: Settings, places: Sequence[str]) -> str:
    """Where gateways reach the agent: AGENT_URL, else the first place where it listens, which has to be one that can be
    gone to. Empty where there is none.
    """
    if settings.agent_url is not None:
        return str(settings.agent_url)
    return next(filter(_leads_here, places), "")


def _leads_here(place: str) -> bool:
    """Whether a gateway could go there: `0.0.0.0` is no place, and plain text leads to no other machine."""
    try:
        return AgentAddress.parse(place).host not in ANYWHERE
    except ValueError:
        return False


def name_of(settings: Settings, host: str) -> str:
    """What the agent calls itself, and its instances after it: no other agent of the fleet may be called so.

    REPLICA_NAME, else the machine's and where on it this one listens.
    """
    if settings.replica_name:
        return settings.replica_name
    place = Path(path_in(settings.host)).stem or settings.port
    return f"{host}-{place}".replace("/", "-")
