"""Gateways, Lingmas and whoever asks them, all on one simulated network, and what may be wrong when all is over."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from tests.simnet.clients import VISIBLE, Conversation
from tests.simnet.gateways import Gateway
from tests.simnet.lingmas import Machine, SimulatedInstance
from tests.simnet.network import Network

STARTED = 3.0  # seconds after which everybody is there
SETTLED = 120.0  # seconds after the last fault in which everything has ended that will
LINGMA_PORT = 7000

Fault = Callable[["World"], Awaitable[None]]


class World:
    """Everything there is in one run."""

    def __init__(self, chance: random.Random, nursery: trio.Nursery) -> None:
        self.chance = chance
        self.nursery = nursery
        self.network = Network(chance)
        self.machines: list[Machine] = []
        self.gateways: list[Gateway] = []
        self.conversations: list[Conversation] = []

    def __repr__(self) -> str:
        happened = "\n".join(f"  {when:10.3f} {what}" for when, what in self.network.happened)
        return f"<World {self.network!r}\n{happened}>"

    async def open_alone(self, lingmas: int) -> None:
        """Run one gateway with Lingmas of its own."""
        host = self.network.host("gateway-0")
        self.machines = [Machine(host, LINGMA_PORT + number) for number in range(lingmas)]
        instances = [SimulatedInstance(f"lingma-{number}", machine) for number, machine in enumerate(self.machines)]
        self.gateways = [Gateway(host, [*instances])]
        await self.nursery.start(self.gateways[0].run)

    async def talk(self, conversation: Conversation, turns: int) -> None:
        """Go on with a conversation at any gateway, again where it failed, now and then as two clients at once."""
        chance = self.chance
        self.conversations.append(conversation)
        for _ in range(turns):
            await trio.sleep(chance.choice([0, 0.5, 3]))
            leave = chance.uniform(0, 2) if chance.random() < 0.1 else None
            gateway = chance.choice(self.gateways)
            if conversation.answers and chance.random() < 0.2:
                other = conversation.branch(f"{conversation.name}'")
                self.conversations.append(other)
                async with trio.open_nursery() as both:
                    both.start_soon(self._ask, conversation, gateway, leave)
                    both.start_soon(self._ask, other, chance.choice(self.gateways), None)
            else:
                await self._ask(conversation, gateway, leave)

    async def _ask(self, conversation: Conversation, gateway: Gateway, leave: float | None) -> None:
        await conversation.go_on(gateway, stream=self.chance.random() < 0.5, leave_after=leave)

    def check(self, *visible: str) -> None:
        """Nothing is left of anything, and no failure was another than may be seen; `visible` are more of those."""
        for gateway in self.gateways:
            services = gateway.services
            counts = services.limiter.counts
            assert (counts.in_flight, counts.queued) == (0, 0), services.limiter
            assert services.byte_budget.held == 0
            for instance in services.pool.instances:
                assert (instance.seats, instance.turns) == (0, 0), instance
                assert instance.lives.connected, instance
        for machine in self.machines:
            assert machine.active == 0, machine
        for conversation in self.conversations:
            unexpected = set(conversation.failures) - VISIBLE - {"left", *visible}
            assert not unexpected, (conversation.name, unexpected)


@asynccontextmanager
async def open_world(chance: random.Random) -> AsyncIterator[World]:
    """A network with nobody on it, for the length of the block. A fault comes with what had been done to it."""
    async with trio.open_nursery() as nursery:
        world = World(chance, nursery)
        await nursery.start(world.network.run)
        try:
            yield world
        except BaseException as fault:
            fault.add_note(repr(world))
            raise
        nursery.cancel_scope.cancel("the run is over")


async def play(world: World, *faults: Fault, conversations: int, turns: int, seconds: float) -> None:
    """Let clients talk while one fault after the other is done, mend everything, and wait until all is over."""
    chance = world.chance

    async def break_things() -> None:
        with trio.move_on_after(seconds):
            while faults:
                await trio.sleep(chance.expovariate(0.3))
                await chance.choice(faults)(world)
        world.network.note("heal")
        world.network.heal()

    await trio.sleep(STARTED)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(break_things)
        for number in range(conversations):
            nursery.start_soon(world.talk, Conversation(f"c{number}"), turns)
    await trio.sleep(SETTLED)
