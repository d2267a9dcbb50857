"""Gateways, Lingmas and whoever asks them, all on one simulated network, and what may be wrong when all is over."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import trio

from lingma_trio.http.tenants import ANONYMOUS
from lingma_trio.state.script import script_text
from tests.simnet.agents import SimulatedAgent
from tests.simnet.clients import NOBODY, UNKEPT, VISIBLE, Conversation
from tests.simnet.gateways import SLOTS, Gateway, LonelyGateway, SharingGateway
from tests.simnet.lingmas import Machine
from tests.simnet.network import Network
from tests.simnet.store import Store

STARTED = 3.0  # seconds after which everybody is there, at the latest
FAULTS_A_SECOND = 0.5  # of one lane, while none is under way
LAST_ONES = 4  # conversations that go on when all is over
SETTLED = 30.0  # seconds after the last fault and the last answer in which everything is as it was
NEWS = 5.0  # of these, until everybody has heard of what died last: a gateway takes a silent agent for gone after three
LINGMA_PORT = 7000

Words = Sequence[str]
Fault = Callable[["World"], Awaitable[None]]


class World:
    """Everything there is in one run."""

    def __init__(self, chance: random.Random, nursery: trio.Nursery, network: Network) -> None:
        self.chance = chance
        self.nursery = nursery
        self.clients = nursery
        """What clients that a fault brings along live in; they are waited for as all others."""
        self.network = network
        self.machines: list[Machine] = []
        self.store: Store | None = None
        self.agents: list[SimulatedAgent] = []
        self.gateways: list[Gateway] = []
        self.conversations: list[Conversation] = []
        self.most_turns = 0
        """That an instance may have at once; 0 is no bound."""
        self.deaths = 0
        """Gateways and agents that were killed."""

    def __repr__(self) -> str:
        happened = "\n".join(f"  {when:10.3f} {what}" for when, what in self.network.happened)
        return f"<World {self.network!r}\n{happened}>"

    async def open_alone(self, *words: Words, made: type[Machine] = Machine, slots: int = SLOTS) -> LonelyGateway:
        """Run one gateway with Lingmas of its own, one with each of these knobs turned, or what is `made` in place."""
        host = self.network.host("gateway-0")
        self.machines = [made(host, LINGMA_PORT + number, *turned) for number, turned in enumerate(words)]
        gateway = LonelyGateway(host, self.machines, slots=slots)
        await self._add_gateway(gateway)
        return gateway

    async def open_fleet(
        self,
        *,
        gateways: int,
        agents: int,
        lingmas: int,
        made: type[Machine] = Machine,
        most_turns: int = 0,
        session_ttl: float = 1800,
        places: int = 0,
        text: Callable[[str], bytes] = script_text,
    ) -> None:
        """Run gateways that share a store, whose scripts are `text`'s, and reach the Lingmas of agents, or what is
        `made` in their place. All clients together have so many `places`, where these are bounded.
        """
        self.most_turns = most_turns
        self.store = Store(self.network, self.chance, "store-0", "store-1", skew=30, text=text)
        await self.nursery.start(self.store.run)
        hosts = [self.network.host(f"agent-{number}") for number in range(agents)]
        self.agents = [SimulatedAgent(host, lingmas, made=made, most_turns=most_turns) for host in hosts]
        for agent in self.agents:
            self.machines += agent.machines
            await self.nursery.start(agent.run)
        for number in range(gateways):
            host = self.network.host(f"gateway-{number}")
            names = [agent.name for agent in hosts]
            await self._add_gateway(SharingGateway(host, names, self.store, session_ttl=session_ttl, places=places))

    async def _add_gateway(self, gateway: Gateway) -> None:
        self.gateways.append(gateway)
        await self.nursery.start(gateway.run)

    async def talk(self, conversation: Conversation, turns: int) -> None:
        """Go on with a conversation at any gateway, again where it failed.

        Now and then another client has the same history and asks, too: at once, while that one is answered, or later,
        when its session has long been used.
        """
        chance = self.chance
        self.conversations.append(conversation)
        async with trio.open_nursery() as others:
            for _ in range(turns):
                await trio.sleep(chance.choice([0, 0.2, 1]))
                leave = chance.uniform(0, 2) if chance.random() < 0.1 else None
                gateway = chance.choice(self.gateways)
                if conversation.answers and chance.random() < 0.4:
                    pause = chance.choice([0, 0.5, 2, 4])
                    others.start_soon(self.ask_too, conversation.branch(f"{conversation.name}'"), pause)
                await self._ask(conversation, gateway, leave)

    async def ask_too(self, conversation: Conversation, pause: float = 0) -> None:
        """Have another client go on once, after so many seconds."""
        await trio.sleep(pause)
        self.conversations.append(conversation)
        await self._ask(conversation, self.chance.choice(self.gateways), None)

    async def talk_on(self, conversation: Conversation) -> None:
        """Go on twice when nothing is wrong any longer: both are answered, the second where the first was."""
        for number in range(2):
            before = conversation.hits
            outcome = await conversation.go_on(self.chance.choice(self.gateways), stream=number == 0)
            if number == 0 and outcome.code in UNKEPT:
                outcome = await conversation.go_on(self.chance.choice(self.gateways), stream=False)
            assert outcome.kind == "answered", (conversation.name, outcome)
            assert number == 0 or conversation.hits > before, f"{conversation.name} does not go on where it was"

    async def _ask(self, conversation: Conversation, gateway: Gateway, leave: float | None) -> None:
        await conversation.go_on(gateway, stream=self.chance.random() < 0.5, leave_after=leave)

    def remains(self) -> list[object]:
        """What is held that nobody needs any longer, and what is not there again that was broken."""
        found: list[object] = []
        for gateway in self.gateways:
            services = gateway.services
            counts = services.limiter.counts
            if counts.in_flight or counts.queued or services.byte_budget.held:
                found.append((gateway, services.limiter, services.byte_budget))
            instances = services.pool.instances
            found += [(gateway, each) for each in instances if each.seats or each.turns or not each.lives.connected]
            if len(instances) != len(self.machines):
                found.append((gateway, services.pool))
            if services.link is not None and not services.link.up:
                found.append((gateway, services.link))
            if services.rates is not None and services.rates.keeper.holding(ANONYMOUS):
                found.append((gateway, services.rates.keeper))
        if self.store is not None:
            found += [each for each in self.store.servers.values() if each.lost]
        return found + [machine for machine in self.machines if machine.active]

    def orphans(self) -> set[str]:
        """Sessions that the programs of agents have open, and neither the store has, nor an agent for whoever comes.

        One that was asked in bears the token of its lease in the store, and is nobody's until it is committed again.
        """
        assert self.store is not None
        entries = [each for each in self.store.primary.keys.values.values() if isinstance(each, dict)]
        kept = {each[b"session"] for each in entries if b"session" in each and b"token" not in each}
        found = {
            session for machine in self.machines for session in machine.open_sessions if session.encode() not in kept
        }
        channels = [each.lives.present.channel for agent in self.agents for each in agent.hosted.instances.values()]
        spare = sum("spare=True" in repr(channel.sessions) for channel in channels if channel is not None)
        return found if len(found) > spare else set()

    async def start(self) -> None:
        """Wait until everybody is there, which takes no longer than STARTED."""
        with trio.move_on_after(STARTED):
            while self.remains():  # noqa: ASYNC110 - as below
                await trio.sleep(0.2)

    async def settle(self, news: float = NEWS) -> None:
        """Wait until nothing is left, which takes no longer than SETTLED. What died is known after `news` seconds."""
        await trio.sleep(news)
        with trio.move_on_after(SETTLED - news):
            while self.remains():  # noqa: ASYNC110 - whatever is over is over without a word
                await trio.sleep(1)
        assert not self.remains(), self.remains()

    def check(self, *visible: str) -> None:
        """No failure was another than may be seen; `visible` are more of those."""
        for conversation in self.conversations:
            unexpected = (
                set(conversation.failures) - VISIBLE - {"left", *(("broken", NOBODY) if self.deaths else ()), *visible}
            )
            assert not unexpected, (conversation.name, unexpected)


@asynccontextmanager
async def open_world(chance: random.Random, network: Network | None = None) -> AsyncIterator[World]:
    """A network with nobody on it, for the length of the block. A fault comes with what had been done to it."""
    async with trio.open_nursery() as nursery:
        world = World(chance, nursery, network or Network(chance))
        try:
            yield world
        except BaseException as fault:
            fault.add_note(repr(world))
            raise
        nursery.cancel_scope.cancel("the run is over")


async def play(world: World, *lanes: Sequence[Fault], conversations: int, turns: int, seconds: float) -> None:
    """Let clients talk while faults are done, mend everything, and wait until all is as it was.

    The faults of one lane come one after the other, beside those of the other lanes.
    """
    chance = world.chance

    async def break_things(faults: Sequence[Fault]) -> None:
        end = trio.current_time() + seconds
        while (pause := chance.expovariate(FAULTS_A_SECOND)) < end - trio.current_time():
            await trio.sleep(pause)
            await chance.choice(faults)(world)

    async def break_and_mend() -> None:
        async with trio.open_nursery() as breaking:
            for faults in lanes:
                breaking.start_soon(break_things, faults)
        world.network.note("heal")
        world.network.heal()

    await world.start()
    async with trio.open_nursery() as nursery:
        world.clients = nursery
        nursery.start_soon(break_and_mend)
        for number in range(conversations):
            kept = world.store is not None and chance.random() < 0.3
            nursery.start_soon(world.talk, Conversation(f"c{number}", kept), turns)
    await world.settle()
    last_ones = chance.sample(world.conversations, min(LAST_ONES, len(world.conversations)))
    async with trio.open_nursery() as nursery:
        for conversation in last_ones:
            if world.most_turns:  # one after the other, so that none finds its instance full
                await world.talk_on(conversation)
            else:
                nursery.start_soon(world.talk_on, conversation)
    await world.settle(news=0)
