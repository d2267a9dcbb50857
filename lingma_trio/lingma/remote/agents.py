"""The agents of a gateway: where they are, how each stands, and whose instances are in the pool.

Nobody lists instances: they come as their agents name them, are kept for a while when an agent cannot be reached, and
move to another link of the same name when an agent comes back elsewhere. Where no setting lists the agents, those that
say so in the store are there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn, TypeAlias

import structlog
import trio

from lingma_trio.errors import ChannelLost, StateDown
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.remote.dial import Dialler, LookUp, look_up
from lingma_trio.lingma.remote.instance import RemoteInstance
from lingma_trio.lingma.remote.link import AgentLink
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.protocol.fleet_messages import FleetState

READ_EVERY = 1.0  # seconds between two looks at who is registered
LOOK_UP_EVERY = 5.0  # seconds between two look-ups of a name
KEPT = 300.0  # seconds in which an agent that went may come back to its instances

Owned: TypeAlias = AgentAddress | AgentLink | RemoteInstance
"""What has a task of its own, which ends with it."""

log = structlog.get_logger("lingma_trio.remote")


@dataclass(frozen=True, slots=True)
class AgentStanding:
    """How one agent stands, for anybody to see. `state` is `connecting`, `connected` or `unreachable`."""

    address: str
    agent: str
    state: str
    reason: str


class Agents:
    """The agents at `addresses`, whose instances come and go in `pool`. `keep` is a task of its own.

    `registered` says where more of them are; it raises `StateDown` where nobody knows at this moment. Instances answer
    a call within `rpc_timeout` seconds, and whose sessions are gone on with for `session_ttl` seconds, 0 for never.
    """

    def __init__(
        self,
        addresses: Iterable[AgentAddress],
        pool: Pool,
        dialler: Dialler,
        *,
        find: LookUp = look_up,
        registered: Callable[[], Awaitable[Sequence[str]]] | None = None,
        rpc_timeout: float = 30.0,
        session_ttl: float = 0.0,
    ) -> None:
        self._addresses = tuple(addresses)
        self._registered = registered
        self._rpc_timeout = rpc_timeout
        self._session_ttl = session_ttl
        self._pool = pool
        self._dialler = dialler
        self._find = find
        self._links: dict[AgentAddress, AgentLink] = {}
        self._scopes: dict[Owned, trio.CancelScope] = {}
        self._twins: set[AgentLink] = set()  # that lead to an agent which another one leads to
        self._lost_at: dict[RemoteInstance, float] = {}
        self._unfound: dict[str, str] = {}  # by the address
        pool.awaited = self._awaited

    def __repr__(self) -> str:
        return f"<Agents {list(self._links.values())!r}>"

    @property
    def standings(self) -> list[AgentStanding]:
        """How each stands, those first whose names cannot be looked up."""
        unfound = [AgentStanding(address, "", "unreachable", why) for address, why in self._unfound.items()]
        return unfound + [
            AgentStanding(str(address), link.state.agent, link.standing, link.reason)
            for address, link in self._links.items()
        ]

    @property
    def notice(self) -> str:
        """What those say whose instances are simulators, one after the other; empty where none are."""
        return "; ".join(
            f"{link.name}: {link.state.notice}" for link in self._links.values() if link.connected and link.state.notice
        )

    async def keep(self) -> NoReturn:
        """Find them and keep a link to each. Cancelling closes all of them."""
        async with trio.open_nursery() as nursery:
            for address in self._addresses:
                self._start(nursery, address, partial(self._watch, address, nursery), name=f"look-up of {address}")
            if self._registered is not None:
                nursery.start_soon(self._read, self._registered, nursery, name="registry watch")
            await trio.sleep_forever()
        raise AssertionError  # it has no end

    async def _read(self, registered: Callable[[], Awaitable[Sequence[str]]], nursery: trio.Nursery) -> NoReturn:
        """Have the agents that are registered; one that is no longer is let go of once it cannot be reached either."""
        while True:
            with suppress(StateDown):  # those that were there are where they were, as far as anybody knows
                there = self._parse(await registered())
                for address in there - self._scopes.keys():
                    self._start(nursery, address, partial(self._watch, address, nursery), name=f"look-up of {address}")
                for address in [each for each in self._scopes if isinstance(each, AgentAddress) and each not in there]:
                    self._end(address)
                for address in {replace(place, at="") for place in self._links} - there:
                    self._keep(address, [], nursery)
                self._forget()
            await trio.sleep(READ_EVERY)

    def _parse(self, texts: Sequence[str]) -> set[AgentAddress]:
        """The addresses in what is registered; what is none is told beside those that cannot be looked up."""
        found = set()
        faults = {}
        for text in texts:
            try:
                found.add(AgentAddress.parse(text))
            except ValueError as fault:
                faults[text] = f"its AGENT_URL {fault}"
        known = {str(address) for address in found}
        self._unfound = {text: why for text, why in self._unfound.items() if text in known} | faults
        return found

    async def _watch(self, address: AgentAddress, nursery: trio.Nursery) -> NoReturn:
        """Look up again and again what stands behind one address of the settings."""
        while True:
            try:
                places = await self._find(address)
            except ChannelLost as fault:  # those that were found are where they were, as far as anybody knows
                self._unfound[str(address)] = str(fault)
            else:
                self._unfound.pop(str(address), None)
                self._keep(address, places, nursery)
            self._forget()
            await trio.sleep(LOOK_UP_EVERY)

    def _keep(self, address: AgentAddress, places: list[AgentAddress], nursery: trio.Nursery) -> None:
        """Have a link to each place, and none any more to one that is gone from the name and cannot be reached."""
        for place in places:
            if place not in self._links:
                told = partial(self._told, nursery)
                link = self._links[place] = AgentLink(place, self._dialler, on_state=told, on_lost=self._lost)
                self._start(nursery, link, link.run, name=f"link to {place}")
        for place, link in list(self._links.items()):
            if replace(place, at="") == address and place not in places and not link.connected:
                del self._links[place]
                self._twins.discard(link)
                self._end(link)

    def _told(self, nursery: trio.Nursery, link: AgentLink, state: FleetState) -> None:
        """Have the instances that an agent names, but for those of a name that another one has already."""
        self._twins.discard(link)
        twin = next((other for other in self._links.values() if self._is_twin(other, link)), None)
        if twin is not None:
            self._twins.add(link)
            link.reason = f"the same agent as {twin.address}; leave one of the two out of LINGMA_AGENTS"
            return
        link.reason = ""
        for report in state.instances:
            instance = self._pool.named(report.name)
            if instance is None:
                instance = RemoteInstance(report, link, rpc_timeout=self._rpc_timeout, session_ttl=self._session_ttl)
                self._pool.add(instance)
                self._start(nursery, instance, instance.lives.live, name=f"supervisor of {instance.name}")
                log.info("instance", instance=instance.name, account=report.label, agent=link.name)
            assert isinstance(instance, RemoteInstance)
            if instance.link is not link and instance.link.connected:
                link.reason = (
                    f"its {report.name} is refused, since {instance.link.name} has an instance of that name; give each "
                    "agent a REPLICA_NAME of its own"
                )
                continue
            instance.link = link
            self._lost_at.pop(instance, None)
            instance.told(report, stopping=state.stopping)
        named = {report.name for report in state.instances}
        for instance in self._of(link):
            if instance.name not in named:
                self._remove(instance)

    def _lost(self, link: AgentLink) -> None:
        for instance in self._of(link):
            self._lost_at.setdefault(instance, trio.current_time())
            instance.lost(link.reason)
        self._pool.changed()

    def _forget(self) -> None:
        """Let go of instances whose agent has not come back."""
        now = trio.current_time()
        for instance, since in list(self._lost_at.items()):
            if now - since >= KEPT and not instance.turns:
                self._remove(instance)

    def _remove(self, instance: RemoteInstance) -> None:
        log.info("instance_gone", instance=instance.name, agent=instance.link.name)
        self._lost_at.pop(instance, None)
        self._pool.remove(instance)
        self._end(instance)

    def _of(self, link: AgentLink) -> list[RemoteInstance]:
        return [each for each in self._pool.instances if isinstance(each, RemoteInstance) and each.link is link]

    def _start(self, nursery: trio.Nursery, what: Owned, run: Callable[[], Awaitable[None]], *, name: str) -> None:
        scope = self._scopes[what] = trio.CancelScope()
        nursery.start_soon(_run, scope, run, name=name)

    def _end(self, what: Owned) -> None:
        self._scopes.pop(what).cancel("it is gone")

    def _is_twin(self, other: AgentLink, link: AgentLink) -> bool:
        """Whether it leads to the same start of the same agent, and was there before."""
        same = other.connected and other.state.boot == link.state.boot != ""
        return same and other is not link and other not in self._twins

    def _awaited(self) -> str:
        """What the first instance is waited for."""
        standings = self.standings
        if not standings:
            return "no agent is registered in the store"
        troubles = [f"{each.address}: {each.reason or each.state}" for each in standings if each.state != "connected"]
        return "; ".join(troubles) or "the agents name none"


async def _run(scope: trio.CancelScope, run: Callable[[], Awaitable[None]]) -> None:
    with scope:
        await run()
