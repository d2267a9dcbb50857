"""Whether the store that gateways share can be reached, and whether it will keep what it is given."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site
from lingma_trio.errors import ConfigurationFault
from lingma_trio.policy.state_address import StateAddress
from lingma_trio.state.facts import LOOK, OLDEST, StoreFacts
from lingma_trio.state.link import REQUEST_BUDGET, WireLost, WireRefused, reason_of
from lingma_trio.state.wire import open_wire, require_client

NAME = "store"
PATIENCE = 5.0
"""Seconds for a look at it, which is more than a gateway gives it."""


async def check_store(site: Site) -> list[Finding]:
    """The store of STATE_URL, looked at as a gateway would; nothing where there is none. Changes nothing there."""
    address = site.settings.state_url
    if address is None:
        return []
    try:
        require_client()
    except ConfigurationFault as fault:
        what, _, remedy = str(fault).partition("; ")
        return [Finding(NAME, "fault", what, remedy)]
    found: list[Finding] = []
    try:
        found += await _look(address)
    except* (WireLost, WireRefused) as group:
        remedy = "see to the server, its user and password, and STATE_URL; until then each gateway is alone"
        found.append(Finding(NAME, "fault", site.printable(f"{address}: {reason_of(group)}"), remedy))
    return found


async def _look(address: StateAddress) -> Iterator[Finding]:
    async with open_wire(address) as wire:
        began = time.monotonic()
        (reply,) = await wire.send([LOOK], PATIENCE)
        return _judged(address, StoreFacts.read(reply), time.monotonic() - began)


def _judged(address: StateAddress, facts: StoreFacts, seconds: float) -> Iterator[Finding]:
    shared = f"shared by {', '.join(facts.replicas)}" if facts.replicas else "nobody shares it now"
    yield Finding(NAME, "fine", f"{address} answers, version {facts.version}; {shared}", seconds=seconds)
    if facts.too_old:
        yield Finding(NAME, "fault", f"version {facts.version} is too old", f"Valkey, or Redis from {OLDEST} on")
    if facts.drops_anything:
        what = f"it makes room by dropping anything ({facts.eviction}), counts of limits too"
        yield Finding(NAME, "warning", what, "maxmemory-policy volatile-lru")
    if seconds > REQUEST_BUDGET / 5:
        what = f"a round trip takes {seconds * 1000:.0f} ms, and a request waits {REQUEST_BUDGET * 1000:.0f} ms in all"
        yield Finding(NAME, "warning", what, "a store in the same network as the gateways")
