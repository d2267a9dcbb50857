"""What troubles the gateway of a chaos run: each does one thing, of the seed's choice, and mends it by itself.

Those that would undo each other are never made at once.
"""

from __future__ import annotations

import os
import resource
import signal
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import trio
from pydantic_core import to_json

from tests.chaos.machine import FULL, LOSSY, SLOW
from tests.chaos.scene import FICKLE, KEYS
from tests.end_to_end.client import CutOff, connected, question
from tests.end_to_end.gateway import is_alive
from tests.simulator import support

if TYPE_CHECKING:
    import random

    from tests.chaos.scene import Scene

ROOM: Final = 3  # descriptors that are left to a gateway which is to have too few
SHORT_OF_MEMORY: Final = 1 << 20  # bytes that an instance may still take
AWAY: Final = "away"  # what those are alone with that end the gateway: it goes with nothing else
HOARDED: Final = "Say very much.\n#simulate first=0 gap=0 deltas=3000 chars=200"


@dataclass(slots=True)
class Trouble:
    """Somebody who troubles a scene, by the seed."""

    scene: Scene
    chance: random.Random
    _busy: set[str] = field(default_factory=set)

    async def make(self, *, ends_gateway: bool) -> None:
        """Make one trouble and mend it; one that ends the gateway only where that is allowed."""
        able = [
            name
            for name, kind in TROUBLES.items()
            if kind.needs not in self.scene.machine.lacks
            and self._goes(kind.alone)
            and (ends_gateway or kind.alone != AWAY)
            and (self.scene.has_door or not kind.by_door)
        ]
        name = self.chance.choices(able, [TROUBLES[name].weight for name in able])[0]
        kind = TROUBLES[name]
        self._busy |= {kind.alone} - {""}
        try:
            await kind.act(self)
            self.scene.troubles[name] += 1
        except Exception as fault:  # noqa: BLE001 - of whatever kind it is, the run goes on and tells it
            self.scene.find(f"{name}: {''.join(traceback.format_exception(fault))[-900:]}")
        finally:
            self._busy.discard(kind.alone)

    def _goes(self, alone: str) -> bool:
        return not alone or not (self._busy if alone == AWAY else self._busy & {alone, AWAY})

    # --- instances

    def _simulator(self) -> tuple[int, int] | None:
        there = [ends for ends in self.scene.simulators.values() if is_alive(ends[1])]
        return self.chance.choice(there) if there else None

    async def _signal_simulator(self, number: signal.Signals) -> None:
        if (ends := self._simulator()) is not None:
            _send(ends[1], number)

    async def kill_instance(self) -> None:
        """An instance ends by SIGKILL."""
        await self._signal_simulator(signal.SIGKILL)

    async def end_instance(self) -> None:
        """An instance is told to exit."""
        await self._signal_simulator(signal.SIGTERM)

    async def crash_instance(self) -> None:
        """An instance crashes, as one that would leave a core."""
        await self._signal_simulator(signal.SIGSEGV)

    async def kill_keeper(self) -> None:
        """The process that keeps an instance ends by SIGKILL."""
        if (ends := self._simulator()) is not None:
            with suppress(OSError):
                parent = _parent(ends[1])
                if parent != self.scene.pid and parent > 1:
                    _send(parent, signal.SIGKILL)

    async def freeze_instance(self) -> None:
        """An instance does nothing for a while, and goes on where nobody has ended it."""
        if (ends := self._simulator()) is not None:
            _send(ends[1], signal.SIGSTOP)
            await trio.sleep(self.chance.uniform(0.3, 6))
            _send(ends[1], signal.SIGCONT)

    async def starve_instance(self) -> None:
        """An instance gets no more memory."""
        if (ends := self._simulator()) is not None:
            with suppress(OSError):
                _starve(ends[1])

    async def sign_out(self) -> None:
        """Somebody else signs an instance out, and in again after a while."""
        if (ends := self._simulator()) is None:
            return
        with trio.move_on_after(10), suppress(Exception):  # of a caller whose simulator may die at any word
            async with support.connected(ends[0]) as caller:
                await caller.call("auth/logout")
                await trio.sleep(self.chance.uniform(0.2, 3))
                link = await caller.call("login/generateUrl")
                callback = {"nonce": link["nonce"], "auth": "fictitious", "tokenString": "fictitious"}
                await caller.call("login/auth_callback", callback)

    # --- the machine

    async def fill_disk(self) -> None:
        """The disk is full for a while."""
        try:
            await trio.to_thread.run_sync(self.scene.machine.fill)
            await trio.sleep(self.chance.uniform(0.5, 3))
        finally:
            self.scene.machine.empty()

    async def take_descriptors(self) -> None:
        """The gateway may open no more than a few files for a while."""
        pid = self.scene.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + ROOM, hard))  # noqa: PTH208
            await trio.sleep(self.chance.uniform(0.5, 3))
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))

    async def lose_packets(self) -> None:
        """The network loses packets for a while."""
        await self._meanwhile(self.scene.machine.lose(self.chance.uniform(0.02, 0.2)))
        self.scene.machine.lose(0)

    async def slow_network(self) -> None:
        """The network is slow for a while."""
        await self._meanwhile(self.scene.machine.slow(self.chance.choice([2, 8, 32]) * 1_000_000))
        self.scene.machine.slow(0)

    async def _meanwhile(self, fault: str) -> None:
        assert not fault, fault
        await trio.sleep(self.chance.uniform(0.5, 3))

    # --- the gateway

    async def freeze_gateway(self) -> None:
        """The gateway itself does nothing for a moment."""
        pid = self.scene.pid
        _send(pid, signal.SIGSTOP)
        await trio.sleep(self.chance.uniform(0.1, 1.5))
        _send(pid, signal.SIGCONT)

    async def restart_gateway(self) -> None:
        """The gateway is told to end, and started again."""
        await self.scene.restart(signal.SIGTERM)

    async def kill_gateway(self) -> None:
        """The gateway ends by SIGKILL, and is started again."""
        await self.scene.restart(signal.SIGKILL)

    async def replace_gateway(self) -> None:
        """Another gateway takes over, and nobody is to notice."""
        await self.scene.replace()

    async def kill_gateway_on_full_disk(self) -> None:
        """The gateway ends by SIGKILL, and is started again while the disk is full."""
        try:
            await trio.to_thread.run_sync(self.scene.machine.fill)
            await self.scene.restart(signal.SIGKILL)
            self.scene.has_door = False
            await trio.sleep(self.chance.uniform(0.5, 2))
        finally:
            self.scene.machine.empty()

    async def crash_gateway(self) -> None:
        """The gateway crashes, as one that would leave a core, and is started again."""
        await self.scene.restart(signal.SIGSEGV)

    # --- people

    async def change_keys(self) -> None:
        """A key comes into KEYS_FILE and goes; or the file is no KEYS_FILE for a while."""
        if self.chance.random() < 0.3:
            self.scene.write_keys_file("keys: [this is no")
        else:
            self.scene.write_keys(FICKLE)
        _send(self.scene.pid, signal.SIGHUP)
        await trio.sleep(self.chance.uniform(0.5, 4))
        self.scene.write_keys()
        if self.chance.random() < 0.5:
            _send(self.scene.pid, signal.SIGHUP)

    async def make_key(self) -> None:
        """The operator makes a key and revokes it."""
        status, made = await self.scene.operate("/internal/keys", name="made")
        if status == 200:
            assert made["name"] == "made"
            await self.scene.operate("/internal/keys/made/revoke")

    async def order(self) -> None:
        """The operator restarts an instance, or has it drained for a while."""
        name = f"lingma-{self.chance.randrange(3)}"
        if self.chance.random() < 0.5:
            await self.scene.operate(f"/internal/instances/{name}/restart")
            return
        with self.scene.draining(name):
            await self.scene.operate(f"/internal/instances/{name}/drain")
            await trio.sleep(self.chance.uniform(0.2, 2))
            for _ in range(50):
                if (await self.scene.operate(f"/internal/instances/{name}/resume"))[0]:
                    return
                await trio.sleep(0.2)

    async def clear_sessions(self) -> None:
        """The operator has every session forgotten."""
        await self.scene.operate("/internal/sessions/clear")

    async def hoard(self) -> None:
        """A client asks for very much, and reads nothing of it."""
        headers = {"authorization": f"Bearer {self.chance.choice(KEYS)}", "content-type": "application/json"}
        with suppress(OSError, CutOff, trio.BrokenResourceError):
            async with connected(self.scene.port, receive_buffer=4096) as connection:
                await connection.ask(question(HOARDED), headers)
                await trio.sleep(self.chance.uniform(1, 7))
                connection.reset()

    async def mumble(self) -> None:
        """Somebody sends half of a request, and waits or goes."""
        body = to_json({"model": "org_auto", "messages": []})
        beginning = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        )
        with suppress(OSError, trio.BrokenResourceError):
            async with connected(self.scene.port) as connection:
                await connection.stream.send_all(beginning[: self.chance.randrange(1, len(beginning))])
                await trio.sleep(self.chance.uniform(0, 3))
                connection.reset()


class Kind(NamedTuple):
    """A kind of trouble: how often it is drawn, what it is `alone` with while it lasts, what it does, what of the
    machine it `needs`, and whether it comes by the gateway's door.
    """

    weight: int
    alone: str
    act: Callable[[Trouble], Awaitable[None]]
    needs: str = ""
    by_door: bool = False


TROUBLES: Final = {
    "an instance killed": Kind(6, "", Trouble.kill_instance),
    "an instance told to exit": Kind(3, "", Trouble.end_instance),
    "an instance crashed": Kind(1, "", Trouble.crash_instance),
    "a keeper killed": Kind(2, "", Trouble.kill_keeper),
    "an instance frozen": Kind(6, "", Trouble.freeze_instance),
    "an instance without memory": Kind(3, "", Trouble.starve_instance),
    "an instance signed out": Kind(4, "", Trouble.sign_out),
    "a full disk": Kind(4, "disk", Trouble.fill_disk, FULL),
    "no descriptors": Kind(4, "descriptors", Trouble.take_descriptors),
    "lost packets": Kind(4, "network", Trouble.lose_packets, LOSSY),
    "a slow network": Kind(3, "network", Trouble.slow_network, SLOW),
    "the gateway frozen": Kind(3, "frozen", Trouble.freeze_gateway),
    "the gateway restarted": Kind(1, AWAY, Trouble.restart_gateway),
    "the gateway killed": Kind(1, AWAY, Trouble.kill_gateway),
    "the gateway crashed": Kind(1, AWAY, Trouble.crash_gateway),
    "the gateway killed on a full disk": Kind(1, AWAY, Trouble.kill_gateway_on_full_disk, FULL),
    "the gateway replaced": Kind(2, AWAY, Trouble.replace_gateway, by_door=True),
    "KEYS_FILE changed": Kind(4, "keys", Trouble.change_keys),
    "a key made and revoked": Kind(2, "keys", Trouble.make_key),
    "an operator's order": Kind(6, "", Trouble.order),
    "sessions forgotten": Kind(1, "", Trouble.clear_sessions),
    "a hoarder": Kind(3, "", Trouble.hoard),
    "half a request": Kind(3, "", Trouble.mumble),
}
"""By the words that a report has for it."""


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _starve(pid: int) -> None:
    size = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    hard = resource.prlimit(pid, resource.RLIMIT_AS)[1]
    resource.prlimit(pid, resource.RLIMIT_AS, (size + SHORT_OF_MEMORY, hard))
