"""Says in the store that gateways share how an agent's instances stand, and brings about here what holds there.

So what an operator drained stays drained, and what rests goes on resting, when the agent is started anew. The store may
be away: then the instances go on as they are, and what changed meanwhile is said when it is back.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NoReturn

import trio

from lingma_trio.errors import StateDown
from lingma_trio.lingma.health import NEWS_SECONDS
from lingma_trio.lingma.instance import Instance
from lingma_trio.state.instances import Held, InstanceRegistry, Said

SAY_EVERY = 1.0  # seconds
LEAVE_SECONDS = 0.5


class Registrar:
    """Registers `instances`, of the agent called so at `address`; without one nobody finds it there."""

    def __init__(self, registry: InstanceRegistry, agent: str, address: str, instances: Mapping[str, Instance]) -> None:
        self._registry = registry
        self._agent = agent
        self._address = address
        self._instances = instances
        self._agreed: dict[str, bool] = {}  # by name: drained or not, as the store had it last

    def __repr__(self) -> str:
        return f"<Registrar of {self._agent} agreed={self._agreed}>"

    async def begin(self) -> None:
        """Have what an operator ordered before the first turn, where the store says it now.

        Rests are an account's: who is signed in to a Lingma shows its first look, and the next `say` has them.
        """
        with suppress(StateDown):
            await self.say()

    async def keep(self) -> NoReturn:
        """Say it every second. Cancelling has the agent found no longer, within LEAVE_SECONDS."""
        try:
            while True:
                await trio.sleep(SAY_EVERY)
                await self.begin()
        finally:
            with trio.move_on_after(LEAVE_SECONDS, shield=True), suppress(StateDown):
                await self._registry.leave(self._agent)

    async def say(self) -> None:
        """Say it once. Raises `StateDown`."""
        said = {name: self._said(name, instance) for name, instance in self._instances.items()}
        drained = {name: instance.standing.drained for name, instance in self._instances.items()}
        held = await self._registry.say(self._agent, self._address, said)
        for name, instance in self._instances.items():
            begins = name not in self._agreed
            self._agreed[name] = held[name].drained
            _bring_about(instance, held[name], said[name].account, was_drained=drained[name], begins=begins)

    def _said(self, name: str, instance: Instance) -> Said:
        health = instance.health
        rests = health.resting()
        if whole := health.rest():
            rests[""] = whole
        # An agent that has just begun knows of no order, so that it has to have been given one to say so. Later it
        # knows best: orders come by it alone, so a store that has it otherwise has lost what it was told.
        changed = instance.standing.drained != self._agreed.get(name, False)
        return Said(instance.standing.drained if changed else None, rests, instance.account.name)


def _bring_about(instance: Instance, held: Held, account: str, *, was_drained: bool, begins: bool) -> None:
    """Have an instance that `begins` be as the store says; an order that was given meanwhile is newer, and said the
    next time. What rests of an `account` is nothing to another one that has come meanwhile.
    """
    if begins and instance.standing.drained == was_drained != held.drained:
        if held.drained:
            instance.standing.drain()
        else:
            instance.standing.resume()
    if instance.account.name == account:
        instance.health.heard_of_rests(held.rests, beyond=NEWS_SECONDS)
