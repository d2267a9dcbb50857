"""Agents on hosts of the simulated network: what `lingma-trio agent` runs, but for its sockets, disk and processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from lingma_trio.agent.hosted import Hosted
from lingma_trio.agent.listener import Listener
from lingma_trio.agent.pages import Pages
from lingma_trio.agent.refusals import Refusals
from lingma_trio.logs import Redactor
from lingma_trio.policy.agent_address import AGENT_PORT
from tests.simnet.lingmas import Machine
from tests.simnet.network import Host
from tests.simnet.processes import SimulatedProcess

TOKEN = "planted-agent-token"


class SimulatedAgent(SimulatedProcess):
    """One agent with Lingmas of its own, or what is `made` in their place, which die with it."""

    hosted: Hosted

    def __init__(self, host: Host, lingmas: int, *, made: type[Machine] = Machine, most_turns: int = 0) -> None:
        super().__init__(host)
        self.machines = [made(host, 7000 + number) for number in range(lingmas)]
        self._most_turns = most_turns

    @asynccontextmanager
    async def _live(self) -> AsyncIterator[None]:
        name = self.host.name
        instances = [
            machine.instance(f"{name}.lingma-{number}", most_turns=self._most_turns)
            for number, machine in enumerate(self.machines)
        ]
        hosted = self.hosted = Hosted(name, instances)
        refusals = Refusals()
        listener = Listener(Pages(hosted, refusals, Redactor(())), refusals, hosted=hosted, token=TOKEN)
        async with trio.open_nursery() as nursery:
            serve = nursery.start_soon
            nursery.start_soon(hosted.tell, name="state teller")
            for instance in instances:
                nursery.start_soon(instance.lives.live, name=f"supervisor of {instance.name}")
            self.host.listen(AGENT_PORT, lambda stream: serve(listener.serve, stream))
            yield
