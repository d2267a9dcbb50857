"""Everything at once: two gateways over agents, of which each moment something dies, freezes or is cut off, by a seed.

Clients hold conversations all the while through the balancer. Each answer proves what its session holds.
"""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio

from tests.proof import turns_held
from tests.scaled.cluster import Cluster, Role, start, until
from tests.scaled.plays import ALLOWED, hits_of, nothing_held
from tests.scaled.talk import CUT, OK, Conversation, Heard, conversations, outcomes, uses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.scaled.table import Row

CLIENTS: Final = 12
LONGEST: Final = 6  # turns of a conversation
PAUSE: Final = 0.3  # seconds between two troubles, on the average
SLACK: Final = 1.0  # seconds in which a client may still meet a gateway that is gone
VISIBLE: Final = ALLOWED | {"no_gateway"}
"""How a request may end at any time; the last is the balancer's, where no gateway can ask anybody just then."""

NOT_FROM_HERE: Final = frozenset({"status 502", "status 503", "status 504", CUT})
"""How a request ends whose gateway is gone: broken off, or in the balancer's words."""


@dataclass
class Mixed:
    """Who talks and who troubles, in one run."""

    cluster: Cluster
    row: Row
    chance: random.Random
    over: trio.Event = field(default_factory=trio.Event)
    ends: list[Heard] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    gone: float = float("-inf")
    """Until when a gateway was gone last."""

    busy: set[int] = field(default_factory=set)
    """Processes that die or are frozen just now."""

    async def talk(self, number: int) -> None:
        """Hold one conversation after the other."""
        chance, count = random.Random(f"{self.chance.random()} {number}"), 0
        while not self.over.is_set():
            (talk,) = conversations(1, f"mixed-{number}-{count}")
            count += 1
            for _ in range(LONGEST):
                await trio.sleep(chance.expovariate(3))
                if self.over.is_set():
                    return
                await self.ask(talk)

    async def ask(self, talk: Conversation) -> None:
        """Ask the next question of a conversation, and see whether what comes may be."""
        began, question = trio.current_time(), talk.question()
        said = await talk.ask(self.cluster.balancer)
        self.ends.append(said)
        if said.outcome == OK:
            asked = [each["content"] for each in talk.messages if each["role"] == "user"]
            try:
                turns_held(said.text, asked)
            except AssertionError as lie:
                self.row.expect(False, "every answer is of its own conversation", lie)
        elif said.outcome not in VISIBLE:
            away = said.outcome in NOT_FROM_HERE and began <= self.gone + SLACK
            self.row.expect(away, "a failure is one that a client may see", (said.outcome, question, said.body[-300:]))

    async def trouble(self, seconds: float) -> None:
        """Make one trouble after the other, some of them at once, and wait until the last is mended."""
        kinds: list[Callable[[], Awaitable[None]]] = [
            self.kill_lingma, self.kill_lingma, self.freeze_lingma, self.kill_agent, self.freeze_agent,
            self.kill_gateway, self.freeze_gateway, self.cut, self.cut, self.freeze_store,
        ]  # fmt: skip
        async with trio.open_nursery() as nursery:
            end = trio.current_time() + seconds
            while trio.current_time() < end:
                nursery.start_soon(self.chance.choice(kinds))
                await trio.sleep(self.chance.expovariate(1 / PAUSE))

    async def kill_lingma(self) -> None:
        """A Lingma dies."""
        self._signal_lingma(signal.SIGKILL)

    async def freeze_lingma(self) -> None:
        """A Lingma does nothing for a while."""
        pid = self._signal_lingma(signal.SIGSTOP)
        if pid is not None:
            await trio.sleep(self.chance.uniform(0.3, 5))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _signal_lingma(self, number: signal.Signals) -> int | None:
        """Send one a signal; its pid, or None where nobody was hit, which is no trouble."""
        pids = [pid for agent in self.cluster.agents for pid in agent.simulators()]
        if not pids:
            return None
        pid = self.chance.choice(pids)
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return None
        self.troubles.append(f"a Lingma: {number.name}")
        return pid

    async def kill_agent(self) -> None:
        """An agent dies, and is started again."""
        await self._kill(self.chance.choice(self.cluster.agents), "an agent")

    async def kill_gateway(self) -> None:
        """A gateway dies, and is started again; the other one is there."""
        if not self.busy:
            self.gone = float("inf")
            await self._kill(self.chance.choice(self.cluster.gateways), "a gateway")
            self.gone = trio.current_time()

    async def _kill(self, role: Role, what: str) -> None:
        if self.busy:
            return
        self.busy.add(id(role))
        self.troubles.append(f"{what}: killed")
        await trio.to_thread.run_sync(role.server.kill)
        await trio.sleep(self.chance.uniform(0, 2))
        await start(role.server)
        await role.until_ready()
        self.busy.discard(id(role))

    async def freeze_agent(self) -> None:
        """An agent does nothing for a while."""
        await self._freeze(self.chance.choice(self.cluster.agents), "an agent")

    async def freeze_gateway(self) -> None:
        """A gateway does nothing for a moment."""
        await self._freeze(self.chance.choice(self.cluster.gateways), "a gateway")

    async def freeze_store(self) -> None:
        """The store does nothing for a while."""
        await self._freeze(Role(self.cluster.stores[0]), "the store")

    async def _freeze(self, role: Role, what: str) -> None:
        if self.busy:
            return
        self.busy.add(id(role))
        self.troubles.append(f"{what}: frozen")
        role.server.send(signal.SIGSTOP)
        await trio.sleep(self.chance.uniform(0.1, 2))
        role.server.send(signal.SIGCONT)
        self.busy.discard(id(role))

    async def cut(self) -> None:
        """Something is lost, or held up, on the way between two of them."""
        link = self.chance.choice([*self.cluster.links, *(way for ways in self.cluster.ways for way in ways)])
        self.troubles.append("a way: cut")
        self.chance.choice((link.sever, link.hold))()
        await trio.sleep(self.chance.uniform(0.05, 3))
        link.mend()


async def everything_at_once(cluster: Cluster, row: Row, *, seconds: float, seed: int) -> None:
    """Whatever dies meanwhile: answers are right or visibly failed, no session is used twice, and nothing is left."""
    before = uses(entry for agent in cluster.agents for entry in agent.asked())
    mixed = Mixed(cluster, row, random.Random(seed))
    async with trio.open_nursery() as nursery:
        for number in range(CLIENTS):
            nursery.start_soon(mixed.talk, number)
        await mixed.trouble(seconds)
        mixed.over.set()
    for role in (*cluster.agents, *cluster.gateways):
        await role.until_ready()
    counted = ", ".join(f"{mixed.troubles.count(what)} x {what}" for what in sorted(set(mixed.troubles)))
    row.saw(f"seed {seed}: {counted}", f"of {len(mixed.ends)} questions {outcomes(mixed.ends)}")
    went_on, doubled = uses(entry for agent in cluster.agents for entry in agent.asked())
    row.saw(f"{went_on - before[0]} questions went on in a session; sessions used twice: {doubled - before[1]}")
    row.expect(doubled == before[1], "no double use", doubled)
    row.expect(went_on > before[0], "sessions were used")
    await nothing_held(cluster, row)
    for gateway in cluster.gateways:
        await until(_goes_on(gateway), "a conversation goes on as a hit")


def _goes_on(gateway: Role) -> Callable[[], Awaitable[bool]]:
    async def goes_on() -> bool:
        (talk,) = conversations(1, f"afterwards-{gateway.port}-{trio.current_time()}")
        await talk.ask(gateway.port)
        return bool(await hits_of(gateway, [await talk.ask(gateway.port)]))

    return goes_on
