"""The store that gateways share, on the simulated network: a primary and its replicas, which get everything later.

What is written on a primary is there for whoever asks it, and on a replica when it has arrived. A failover makes
a primary of a replica, which then has a replication id of its own and nothing of what had not arrived; the old one may
go on for those that it can be reached by, until it learns that it is a replica now and takes all that the new one has.
"""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from typing import Any, Literal

import trio

from lingma_trio.state.link import RETRY_PAUSE, Call, WireLate, WireLost, WireRefused
from lingma_trio.state.script import script_text
from tests.simnet.commands import execute
from tests.simnet.keyspace import Keyspace, Reply
from tests.simnet.network import Host, Lane, Network
from tests.simnet.scripts import Result, ScriptError, Scripts

PORT = 6379
SINCE_1970 = 1_790_000_000.0  # seconds that have passed when a run begins
WORD = 4  # bytes of a message's length
LEARNS = (0.1, 5.0)  # seconds until a primary that was cut off learns that there is another


class StoreServer:
    """One server of the store. `skew` is what its clock is ahead of others, in seconds."""

    def __init__(self, host: Host, chance: random.Random, *, skew: float = 0.0) -> None:
        self.host = host
        self.skew = skew
        self.role: Literal["primary", "replica"] = "replica"
        self.frozen = False
        self.lost = False
        """Whether there is another primary, of which it does not know yet."""
        self.ran = 0
        """Scripts that were run here."""
        self.keys = Keyspace()
        self.epoch = ""
        """The replication id."""
        self._chance = chance
        self._replicas: dict[StoreServer, Lane] = {}
        self._waiting: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<StoreServer {self.host.name} {self.role} {self.epoch[:6]} {self.keys!r}>"

    @property
    def now(self) -> float:
        """Seconds since 1970 by its clock."""
        return SINCE_1970 + trio.current_time() + self.skew

    def lead(self) -> None:
        """Be a primary, with a replication id that no other has had."""
        self.role = "primary"
        self.epoch = f"{self._chance.getrandbits(160):040x}"
        self._replicas.clear()

    def follow(self, primary: StoreServer) -> None:
        """Be a replica: forget everything, take what the primary has, and then what it writes."""
        self.role = "replica"
        self.lost = False
        self.epoch = primary.epoch
        self.keys = Keyspace()
        self._replicas.clear()
        for key in list(primary.keys.values):
            self.keys.replace(key, *primary.keys.copy_of(key))
        primary._replicas[self] = self.host.network.lane(primary.host.name, self.host.name)

    def restart(self) -> None:
        """Come up with nothing, as a primary that keeps no file."""
        self.keys = Keyspace()
        self.lead()

    def freeze(self) -> None:
        """Answer nothing, as by SIGSTOP, until `thaw`."""
        self.frozen = True

    def thaw(self) -> None:
        """Do everything that came meanwhile."""
        self.frozen = False
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            act()

    def when_awake(self, act: Callable[[], None]) -> None:
        """Do something now, or once it thaws."""
        if self.frozen:
            self._waiting.append(act)
        else:
            act()

    def run(self, scripts: Scripts, call: Call, text: Callable[[str], bytes] = script_text) -> Result:
        """Run a script and tell the replicas what it wrote. Raises `ScriptError`."""
        if self.role == "replica":
            raise ScriptError("READONLY You can't write against a read only replica.")
        self.ran += 1
        try:
            return scripts.run(text(call.script), [key.encode() for key in call.keys], list(map(_bytes, call.args)))
        finally:
            self._replicate()

    def execute(self, words: list[bytes]) -> Reply:
        """Carry out one command of a script."""
        match words[0].upper():
            case b"TIME":
                seconds, micros = divmod(round(self.now * 1e6), 10**6)
                return [b"%d" % seconds, b"%d" % micros]
            case b"INFO":
                return f"# Replication\r\nrole:master\r\nmaster_replid:{self.epoch}\r\n".encode()
            case _:
                return execute(self.keys, words, math.floor(self.now * 1000))

    def _replicate(self) -> None:
        changes = [(key, *self.keys.copy_of(key)) for key in self.keys.touched]
        self.keys.touched.clear()
        if not changes:
            return
        for replica, lane in self._replicas.items():

            def arrive(replica: StoreServer = replica) -> None:
                if replica.role == "replica" and replica.epoch == self.epoch:
                    for key, value, end in changes:
                        replica.keys.replace(key, value, end)

            lane.send(arrive)


class Store:
    """All servers of the store, and who is the primary as far as who asks can know. `run` serves, as a task."""

    def __init__(
        self,
        network: Network,
        chance: random.Random,
        *names: str,
        skew: float = 0.0,
        text: Callable[[str], bytes] = script_text,
    ) -> None:
        """The servers run on hosts of these names, and the first is the primary; clocks differ by up to `skew`.

        `text` gives a script by its name.
        """
        self._text = text
        self.network = network
        self.servers = {
            name: StoreServer(network.host(name), chance, skew=chance.uniform(-skew, skew) if skew else 0.0)
            for name in names
        }
        self.primary = self.servers[names[0]]
        self.failovers = 0
        self._chance = chance
        self._asked = self.primary
        self._scripts = Scripts(lambda words: self._asked.execute(words))  # noqa: PLW0108 - who is asked changes
        self._led: dict[str, StoreServer] = {}  # whom a client holds for the primary that could not learn of another
        self._nursery: trio.Nursery | None = None
        self.primary.lead()
        for server in self.servers.values():
            if server is not self.primary:
                server.follow(self.primary)

    def __repr__(self) -> str:
        return f"<Store {list(self.servers.values())!r} primary={self.primary.host.name} failovers={self.failovers}>"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve whoever comes, for ever."""
        async with trio.open_nursery() as self._nursery:
            for server in self.servers.values():
                self._listen(server)
            task_status.started()
            await trio.sleep_forever()

    def fail_over(self, to: str, *, clients: Sequence[str] = ()) -> None:
        """Make a primary of a replica. Of `clients`, those that cannot reach it hold on to the old one."""
        new, old, network = self.servers[to], self.primary, self.network
        network.note(f"failover from {old.host.name} to {to}")
        self.failovers += 1
        old.lost = True
        new.lead()
        self.primary = new
        for server in self.servers.values():
            if server not in (new, old):
                server.follow(new)
        for client in clients:
            if network.is_cut(client, to):
                self._led[client] = old
        network.agenda.at(trio.current_time() + self._chance.uniform(*LEARNS), lambda: self._teach(old))

    def crash(self, name: str) -> None:
        """End a server without a word."""
        self.servers[name].host.crash()

    def start(self, name: str) -> None:
        """Have a server that was ended back: as a replica, unless it is the only one to lead."""
        server = self.servers[name]
        server.host.boot()
        self._listen(server)
        if server is self.primary:
            server.restart()
            self._gather(server)
        else:
            self._follow(server)

    @asynccontextmanager
    async def dial(self, client: str) -> AsyncIterator[SimulatedWire]:
        """A connection from a host to the primary, as it knows it. As `state.link.Dial`."""
        wire = None
        server = self._led.get(client, self.primary)
        with trio.move_on_after(RETRY_PAUSE):
            try:
                stream = await self.network.host(client).connect(server.host.name, PORT)
            except OSError as fault:
                raise WireLost(str(fault)) from fault
            wire = SimulatedWire(stream)
        if wire is None:
            raise WireLost(f"{server.host.name} does not answer")
        async with trio.open_nursery() as nursery:
            await nursery.start(wire.run)
            try:
                yield wire
            finally:
                with trio.move_on_after(1, shield=True):
                    await stream.aclose()
            nursery.cancel_scope.cancel("the connection is closed")

    def _listen(self, server: StoreServer) -> None:
        nursery = self._nursery
        assert nursery is not None
        server.host.listen(PORT, lambda stream: nursery.start_soon(self._serve, server, stream))

    def _teach(self, old: StoreServer) -> None:
        """Have the old primary learn that there is another, or look again later where it cannot be told."""
        new, network = self.primary, self.network
        if old is new or old.role == "replica":
            return
        if old.host.down or network.is_cut(old.host.name, new.host.name):
            network.agenda.at(trio.current_time() + self._chance.uniform(*LEARNS), lambda: self._teach(old))
            return
        network.note(f"{old.host.name} follows {new.host.name}")
        self._follow(old)
        for end in list(old.host.ends):
            end.abandon()

    def _follow(self, old: StoreServer) -> None:
        """Make a replica of a server, whom nobody holds for the primary any longer."""
        old.follow(self.primary)
        self._led = {client: server for client, server in self._led.items() if server is not old}

    def _gather(self, primary: StoreServer) -> None:
        for server in self.servers.values():
            if server is not primary:
                server.follow(primary)

    async def _serve(self, server: StoreServer, stream: trio.abc.HalfCloseableStream) -> None:
        messages = Messages(stream)
        answers, to_answer = trio.open_memory_channel[tuple[int, object]](math.inf)

        async def answer() -> None:
            with suppress(trio.BrokenResourceError):  # the reader finds that the client is gone
                async for each in to_answer:
                    await messages.send(each)

        async with stream, trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            try:
                while (message := await messages.receive()) is not None:
                    number, calls = message
                    server.when_awake(partial(self._answer, server, number, calls, answers))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            nursery.cancel_scope.cancel("the client is gone")

    def _answer(
        self,
        server: StoreServer,
        number: int,
        calls: Sequence[Call],
        answers: trio.MemorySendChannel[tuple[int, object]],
    ) -> None:
        self._asked = server
        replies: list[object] = []
        for call in calls:
            try:
                replies.append(server.run(self._scripts, call, self._text))
            except ScriptError as fault:
                replies.append(fault)
        answers.send_nowait((number, replies))


class SimulatedWire:
    """One connection to a server of the store. As `state.link.Wire`."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self._messages = Messages(stream)
        self._numbers = count()
        self._answers: dict[int, list[object]] = {}
        self._waiting: dict[int, trio.Event] = {}
        self._lost = False
        self._heard = 0
        self._turn = trio.Lock()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take in answers. Raises `WireLost` when the connection ends."""
        task_status.started()
        try:
            while (message := await self._messages.receive()) is not None:
                number, replies = message
                self._heard += 1
                if number in self._waiting:
                    self._answers[number] = replies
                    self._waiting[number].set()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self._lost = True
        for event in self._waiting.values():
            event.set()
        raise WireLost("the connection to the store is lost")

    async def send(self, calls: Sequence[Call], seconds: float) -> list[Any]:
        """As `Wire.send`."""
        heard = self._heard
        with trio.move_on_after(seconds):
            return await self._send(calls)
        raise WireLate(f"no answer within {seconds:.3f} s", silent=self._heard == heard)

    async def _send(self, calls: Sequence[Call]) -> list[Any]:
        number = next(self._numbers)
        self._waiting[number] = trio.Event()
        try:
            async with self._turn:
                await self._messages.send((number, tuple(calls)))
            await self._waiting[number].wait()
            replies = self._answers.pop(number, None)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as fault:
            raise WireLost("the connection to the store is lost") from fault
        finally:
            del self._waiting[number]
        if replies is None:
            raise WireLost("the connection to the store is lost")
        for reply in replies:
            if isinstance(reply, ScriptError):
                if str(reply).startswith("READONLY"):
                    raise WireLost(str(reply))
                ran = {place: each for place, each in enumerate(replies) if not isinstance(each, ScriptError)}
                raise WireRefused(str(reply), ran)
        return replies


class Messages:
    """Objects over a stream, each with its length before it."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self._stream = stream
        self._inbox = b""

    async def send(self, message: object) -> None:
        """Send one."""
        data = pickle.dumps(message)
        await self._stream.send_all(len(data).to_bytes(WORD, "big") + data)

    async def receive(self) -> Any:  # noqa: ANN401 - whatever the other side sent
        """The next one, or None at the end."""
        while len(self._inbox) < WORD or len(self._inbox) < WORD + int.from_bytes(self._inbox[:WORD], "big"):
            data = await self._stream.receive_some()
            if not data:
                return None
            self._inbox += data
        size = WORD + int.from_bytes(self._inbox[:WORD], "big")
        message, self._inbox = self._inbox[WORD:size], self._inbox[size:]
        return pickle.loads(message)


def _bytes(argument: str | int | bytes) -> bytes:
    return argument if isinstance(argument, bytes) else str(argument).encode()
