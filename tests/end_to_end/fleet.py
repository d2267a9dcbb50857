"""A gateway with several instances: each one's simulator as it is seen, and troubled, from outside the gateway.

Knows the simulator's files, its signals and its wire; must not know how the gateway keeps its instances.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
from pydantic_core import from_json

from tests.end_to_end.client import Json
from tests.end_to_end.gateway import Gateway
from tests.lingma.support import running
from tests.simulator.support import Caller, connected

PATIENCE = 80.0
INTERVAL = 0.1
"""Seconds between two questions; each of them costs a gateway under load as much as a short answer."""


def accounts(count: int) -> str:
    """LINGMA_ACCOUNTS with so many accounts."""
    return ",".join(f"user-{number}:password-{number}" for number in range(count))


async def patiently(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until `condition` holds, for as long as many processes may take on a busy machine."""
    with trio.fail_after(PATIENCE):
        while True:
            if await condition():
                return
            await trio.sleep(INTERVAL)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The instances of a running gateway, by name."""

    gateway: Gateway

    async def instances(self) -> dict[str, Json]:
        """What the gateway says of each."""
        return {instance["name"]: instance for instance in (await self.gateway.stats())["instances"]}

    async def ready(self) -> list[str]:
        """Those that can be asked."""
        return [name for name, instance in (await self.instances()).items() if instance["state"] == "ready"]

    async def resting(self) -> list[str]:
        """Those whose account is at its limit."""
        return [name for name, instance in (await self.instances()).items() if instance["state"] == "resting"]

    async def until_as_lean(self, descriptors: int, processes: int) -> None:
        """Wait until the gateway has no more descriptors open than that, and as many processes run for it."""
        await self.gateway.until(lambda: self.gateway.descriptors <= descriptors and len(self.processes) == processes)

    async def descriptors_at_rest(self) -> int:
        """How many descriptors the gateway has open once those of answered requests are closed."""
        counts = set()
        for _ in range(10):
            counts.add(self.gateway.descriptors)
            await trio.sleep(INTERVAL / 10)
        return min(counts)

    async def until_ready(self, count: int) -> None:
        """Wait until so many can be asked."""

        async def reached() -> bool:
            return len(await self.ready()) >= count

        await patiently(reached)

    async def until_state(self, names: Collection[str], state: str) -> None:
        """Wait until all of them are in that state."""

        async def reached() -> bool:
            return all(instance["state"] == state for instance in await self.of(names))

        await patiently(reached)

    async def until_restarted(self, before: Iterable[Json]) -> None:
        """Wait until each instance has ended the life in which it was seen to be as given."""

        async def reached() -> bool:
            instances = await self.instances()
            return all(instances[seen["name"]]["restarts"] > seen["restarts"] for seen in before)

        await patiently(reached)

    async def of(self, names: Collection[str]) -> list[Json]:
        """What the gateway says of these."""
        instances = await self.instances()
        return [instances[name] for name in names]

    def signal(self, name: str, number: int) -> None:
        """Send a signal to the instance's simulator."""
        if self.gateway.upstream.name == "acp":
            os.kill(self.gateway.agent(int(name.removeprefix("acp-"))), number)
        else:
            os.kill(self._announced(name)[1], number)

    @asynccontextmanager
    async def caller(self, name: str) -> AsyncIterator[Caller]:
        """Another client of the instance's simulator, as an editor on the same machine would be."""
        async with connected(self._announced(name)[0]) as caller:
            yield caller

    def requests(self) -> list[Json]:
        """The log's lines about chat requests, oldest first."""
        return [line for line in self.lines("request") if line.get("route") == "chat"]

    def lines(self, event: str) -> list[Json]:
        """The log's lines about an event."""
        return list(self._lines(event))

    @property
    def processes(self) -> list[int]:
        """Every simulator and every keeper of this gateway that runs."""
        return self.gateway.descendants if self.gateway.running else running(str(self.gateway.directory))

    def _lines(self, event: str) -> Iterator[Json]:
        for line in self.gateway.log.splitlines():
            if f'"event": "{event}"' in line:
                yield from_json(line)

    def _announced(self, name: str) -> tuple[int, int]:
        """Port and pid, as the simulator's ready file has them."""
        work_dir = next(line["work_dir"] for line in self._lines("instance") if line["instance"] == name)
        port, pid = (Path(work_dir) / ".info").read_text().split()[:2]
        return int(port), int(pid)
