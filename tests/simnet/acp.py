"""Agents that speak ACP on hosts of the simulated network: the bundled simulator's own core, without a process.

As `lingmas` for a Lingma; what stands for the two pipes is one connection within the host.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from typing import Any, cast

import trio

from lingma_trio.accounts import AgentAccount
from lingma_trio.lingma.acp.life import AgentLife
from lingma_trio.lingma.acp.watch import AgentWatch
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.lives import LifeMaker
from lingma_trio.lingma.options import AgentOptions, Described
from lingma_trio.lingma.process import LingmaProcess
from lingma_trio.lingma.watch import Watch
from lingma_trio.policy.backoff import Backoff
from lingma_trio.simulator.acp.agent import SimulatedAgent
from lingma_trio.simulator.acp.client import JUNK, AcpClient
from lingma_trio.simulator.acp.knobs import AcpKnobs
from tests.simnet.lingmas import NOWHERE, PACE, STARTS_IN, Machine, Program
from tests.simnet.network import End, Host


class Record:
    """What an agent keeps beyond its lives: how many faults there were, and how many questions."""

    def __init__(self) -> None:
        self.faults = 0
        self.questions = 0

    def note(self, entry: Mapping[str, Any]) -> None:
        """Count a question."""
        self.questions += entry.get("method") == "session/prompt"

    def count_fault(self) -> int:
        """How many faults there were before this one."""
        self.faults += 1
        return self.faults - 1


class AgentMachine(Machine):
    """Runs one agent after the other on a port of a host."""

    def __init__(self, host: Host, port: int, *words: str) -> None:
        super().__init__(host, port)
        self.agent: SimulatedAgent | None = None
        self._acp = AcpKnobs().turned((*PACE, *words))
        self._record = Record()

    @property
    def active(self) -> int:
        """Turns that the present one has under way."""
        return 0 if self.agent is None else sum(room.running is not None for room in self.agent.turns.rooms)

    @property
    def questions(self) -> int:
        """How many all of them were asked."""
        return self._record.questions

    @property
    def open_sessions(self) -> list[str]:
        """Those that the present one holds."""
        return [] if self.agent is None else [room.session.id for room in self.agent.turns.rooms]

    def instance(self, name: str, *, most_turns: int = 0) -> Instance:
        """An instance as a gateway has it, whose program is this machine's."""
        return SimulatedAgentInstance(name, self, most_turns=most_turns)

    @asynccontextmanager
    async def boot(self) -> AsyncIterator[Program]:
        """Run one for the length of the block; as `open_process`."""
        self.lives += 1
        self._exited = exited = trio.Event()
        life, numbers = self.lives, count(1)
        async with trio.open_nursery() as nursery:

            def accept(stream: trio.abc.HalfCloseableStream) -> None:
                nursery.start_soon(serve, stream, name="simulated agent")

            async def serve(stream: trio.abc.HalfCloseableStream) -> None:
                talk = trio.CancelScope()
                client = AcpClient(stream, self._acp, dropped=partial(talk.cancel, "dropped"))
                self.agent = agent = SimulatedAgent(
                    self._acp,
                    client=client,
                    record=self._record,
                    crash=self.kill,
                    make_id=lambda: f"{self.host.name}:{self.port}:{life}:{next(numbers)}",
                )
                agent.strike("crash_start")
                if self._acp.banner:
                    client.post([JUNK])
                with talk:
                    async with trio.open_nursery() as talking:
                        talking.start_soon(agent.play)
                        talking.start_soon(client.outbox.write_forever)
                        with suppress(trio.ClosedResourceError):  # its host is gone
                            await agent.listen(stream)
                        talking.cancel_scope.cancel("the client is gone")
                await stream.aclose()

            self.host.listen(self.port, accept)
            pipes = await self.host.connect(self.host.name, self.port)
            try:
                yield AgentProgram(exited, pipes)
            finally:
                self.host.close(self.port)
                self.agent = None
                pipes.abandon()
            nursery.cancel_scope.cancel("the process has ended")


class AgentProgram(Program):
    """What a life sees of the process."""

    def __init__(self, exited: trio.Event, pipes: End) -> None:
        super().__init__(exited)
        self.pipes = pipes


class SimulatedAgentLife(AgentLife):
    """One life of one agent of an `AgentMachine`."""

    def __init__(self, machine: AgentMachine, *args: Any) -> None:  # noqa: ANN401 - as `AgentLife`
        super().__init__(*args)
        self._machine = machine

    async def _prepare(self) -> None:
        await trio.sleep(STARTS_IN)

    @asynccontextmanager
    async def _open_process(self) -> AsyncIterator[LingmaProcess]:
        async with self._machine.boot() as program:
            yield cast("LingmaProcess", program)


class SimulatedAgentInstance(Instance):
    """An instance as the gateway has it, whose program is an `AgentMachine`'s."""

    def __init__(self, name: str, machine: AgentMachine, *, most_turns: int = 0) -> None:
        self.machine = machine
        options = AgentOptions(
            name=name,
            command=("agent",),
            work_dir=NOWHERE,
            startup_timeout=10,
            rpc_timeout=5,
            most_turns=most_turns,
            account=AgentAccount(),
        )
        super().__init__(options, Backoff())

    def _furnish(self, options: Described) -> tuple[Watch, LifeMaker]:
        assert isinstance(options, AgentOptions)
        watch = AgentWatch(options, on_login=self._login_seen)
        return watch, partial(SimulatedAgentLife, self.machine, options, watch, self.health)
