"""Lingmas on hosts of the simulated network: the bundled simulator's own core, without a process or a disk.

Each holds its sessions for one life only, and its answers say what their session holds. An instance of the gateway's
own code leads it life after life, as it leads one that is a process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

import trio

from lingma_trio.lingma.account import AccountWatch
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.lingma_life import LingmaLife
from lingma_trio.lingma.lives import LifeMaker
from lingma_trio.lingma.login import LoginOptions
from lingma_trio.lingma.options import Described, LingmaOptions
from lingma_trio.lingma.process import LingmaProcess
from lingma_trio.lingma.watch import Watch
from lingma_trio.lingma.websocket import shake_hands
from lingma_trio.policy.backoff import Backoff
from lingma_trio.simulator.files import WorkDirectory
from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.service import SimulatedLingma
from tests.simnet.network import Host

KILLED = -9
STARTS_IN = 0.5  # seconds until a process can be asked
NOWHERE = Path("/nowhere")
PACE = ("first=.3", "gap=.2", "deltas=5")  # of an answer, in seconds


class NoDisk(WorkDirectory):
    """A work directory that is not there. What is counted in it is kept, as it is on a disk."""

    holds_login = True

    def __init__(self) -> None:
        super().__init__(NOWHERE)
        self.faults = 0
        self.questions = 0

    def prepare(self) -> str:
        return "machine"

    def keep_login(self) -> None:
        pass

    def drop_login(self) -> None:
        pass

    def log(self, line: str) -> None:
        pass

    def record(self, entry: Mapping[str, Any]) -> None:
        self.questions += entry["kind"] == "ask"

    def count_fault(self) -> int:
        self.faults += 1
        return self.faults - 1


class Machine:
    """Runs one Lingma after the other on a port of a host; what stands for its processes."""

    def __init__(self, host: Host, port: int, *words: str) -> None:
        self.host = host
        self.port = port
        self.lives = 0
        self.lingma: SimulatedLingma | None = None
        self._knobs = Knobs().turned((*PACE, *words, "record=1"))
        self._disk = NoDisk()
        self._exited = trio.Event()

    @property
    def active(self) -> int:
        """Answers that the present one has under way."""
        return 0 if self.lingma is None else self.lingma.stats()["active"]

    @property
    def questions(self) -> int:
        """How many all of them were asked."""
        return self._disk.questions

    @property
    def open_sessions(self) -> list[str]:
        """Those that can be closed and are not: none, since a Lingma sees to its sessions by itself."""
        return []

    def instance(self, name: str, *, most_turns: int = 0) -> Instance:
        """An instance as a gateway or an agent has it, whose program is this machine's."""
        return SimulatedInstance(name, self, most_turns=most_turns)

    def kill(self) -> None:
        """End the present one as SIGKILL does."""
        self.host.network.note(f"kill the Lingma of {self.host.name}")
        self._exited.set()

    @asynccontextmanager
    async def boot(self) -> AsyncIterator[Program]:
        """Run one for the length of the block; as `open_process`."""
        self.lives += 1
        self._exited = trio.Event()
        life, numbers = self.lives, count(1)
        self.lingma = lingma = SimulatedLingma(
            self._knobs,
            directory=self._disk,
            machine_id="machine",
            crash=self.kill,
            make_id=lambda: f"{self.host.name}:{self.port}:{life}:{next(numbers)}",
        )
        async with trio.open_nursery() as nursery:
            serve = nursery.start_soon
            self.host.listen(self.port, lambda stream: serve(lingma.serve, stream))
            nursery.start_soon(lingma.play, name="simulated Lingma")
            lingma.strike("crash_start")
            try:
                yield Program(self._exited)
            finally:
                self.host.close(self.port)
                self.lingma = None
            nursery.cancel_scope.cancel("the process has ended")


class Program:
    """What a life sees of the process. Stands for a `LingmaProcess`."""

    pid = 0
    mark = ""
    tail = ""

    def __init__(self, exited: trio.Event) -> None:
        self._exited = exited

    async def wait(self) -> int:
        await self._exited.wait()
        return KILLED


class SimulatedLife(LingmaLife):
    """One life of one Lingma of a `Machine`, reached over the network from the host where the instance is."""

    def __init__(self, machine: Machine, *args: Any) -> None:  # noqa: ANN401 - as `LingmaLife`
        super().__init__(*args)
        self._machine = machine

    async def _prepare(self) -> None:
        await trio.lowlevel.checkpoint()

    def _open_process(self) -> AbstractAsyncContextManager[LingmaProcess]:
        return cast("AbstractAsyncContextManager[LingmaProcess]", self._machine.boot())

    async def _wait_ready(self, process: LingmaProcess) -> int:
        await trio.sleep(STARTS_IN)
        return self._machine.port

    async def _make_workspace(self, directory: Path) -> None:
        await trio.lowlevel.checkpoint()

    async def _open_channel(self, life: trio.Nursery, port: int) -> RpcChannel:
        host = self._machine.host
        socket = await shake_hands(await host.connect(host.name, port), host.name)
        channel = RpcChannel(
            rpc_timeout=self._options.rpc_timeout, on_push=self._account.pushed, on_error=self._listener.on_error
        )
        channel.on_room = self._listener.on_room
        await life.start(channel.run, socket, name="RPC channel")
        return channel


class SimulatedInstance(Instance):
    """An instance as the gateway has it, whose program is a `Machine`'s."""

    def __init__(self, name: str, machine: Machine, *, most_turns: int = 0) -> None:
        self.machine = machine
        options = LingmaOptions(
            name=name,
            command=("lingma",),
            work_dir=NOWHERE,
            port=machine.port,
            startup_timeout=10,
            rpc_timeout=5,
            heartbeat=5,
            dialect="auto",
            sessions_ahead=2,
            most_turns=most_turns,
            login=LoginOptions(enabled=False),
        )
        super().__init__(options, Backoff())

    def _furnish(self, options: Described) -> tuple[Watch, LifeMaker]:
        assert isinstance(options, LingmaOptions)
        account = AccountWatch(options, on_login=self._login_seen)
        return account, partial(SimulatedLife, self.machine, options, account, self.health)
