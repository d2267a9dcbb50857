"""Gateways behind a balancer, agents with simulators and a store, each as a process of its own on this machine.

Knows how they are started, reached and ended, and where a link lies between two. Must not know what is asked of them.
"""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from pydantic_core import from_json

from tests.end_to_end.client import CutOff, fetch
from tests.end_to_end.gateway import OPERATOR, environment
from tests.scaled.link import Link, linked
from tests.scaled.talk import KEYS_FILE
from tests.servers import PRIMARY, Server, balancer, command, free_port, running, sentinel, store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.end_to_end.client import Json

AGENT_TOKEN = "agent-token-of-the-scale-test"
STORE_PASSWORD = "password-of-the-scale-test"
OPERATOR_OF_STORES, KEEPER = "operator", "keeper"
GATEWAYS = ("gateway-1", "gateway-2")
USERS = (OPERATOR_OF_STORES, KEEPER, *GATEWAYS)
"""Who comes to a store: the test itself, replicas and sentinels, and each gateway."""

PATIENCE = 60.0  # seconds for what takes a moment on an idle machine
INTERVAL = 0.1
OK = 200


@dataclass(slots=True)
class Role:
    """A gateway or an agent: its process, and where it is asked."""

    server: Server

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    @property
    def log(self) -> str:
        """What it has written."""
        return self.server.log.read_text(encoding="utf-8", errors="replace")

    def lines(self, event: str) -> list[Json]:
        """Its log's lines about an event."""
        found = (line for line in self.log.splitlines() if line.startswith("{") and line.endswith("}"))
        return [line for line in map(from_json, found) if line["event"] == event]

    async def ready(self) -> tuple[int, Json]:
        """What `/readyz` says; status 0 where nobody answers."""
        try:
            answer = await fetch(self.port, "GET", "/readyz")
        except (OSError, CutOff, trio.TooSlowError):
            return 0, {}
        return answer.status, answer.json

    async def stats(self) -> Json:
        """A gateway's `/internal/stats`."""
        return (await fetch(self.port, "GET", "/internal/stats", headers=OPERATOR)).json

    async def until_ready(self) -> None:
        """Wait until a chat would be answered."""
        await until(self._is_ready, f"{self.server.name} is ready", lambda: self.log[-3000:])

    async def _is_ready(self) -> bool:
        return (await self.ready())[0] == OK


@dataclass(slots=True)
class Agent(Role):
    """An agent with simulators for its instances."""

    @property
    def name(self) -> str:
        """What its instances' names begin with."""
        return (self.server.environment or {})["REPLICA_NAME"]

    def asked(self) -> list[Json]:
        """What its simulators were asked and told to stop, each process's in order."""
        paths = sorted(self.server.directory.glob("lingma-simulator-*/**/logs/asks.jsonl"))
        return [from_json(line) for path in paths for line in path.read_bytes().rpartition(b"\n")[0].splitlines()]

    def simulators(self) -> list[int]:
        """The pids of its simulators."""
        return [int(path.read_text().split()[1]) for path in self.server.directory.glob("lingma-simulator-*/**/.info")]


@dataclass(slots=True)
class Cluster:
    """What runs. `links` has the link of each gateway to the store, or those of the first one to the sentinels, and
    `ways` those of each gateway to each agent.
    """

    gateways: list[Role] = field(default_factory=list)
    agents: list[Agent] = field(default_factory=list)
    stores: list[Server] = field(default_factory=list)
    sentinels: list[Server] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    ways: list[list[Link]] = field(default_factory=list)
    balancer: int = 0

    async def held_places(self) -> int:
        """In-flight places of keys that the store holds, whoever took them, and whose leases have not ended."""
        now = (await self.redis("TIME"))[0] + "000"
        keys = await self.redis("--scan", "--pattern", "lt:*:places")
        return sum([int((await self.redis("ZCOUNT", key, now, "+inf"))[0]) for key in keys])

    async def redis(self, *words: str) -> list[str]:
        """What the first store says to a command of `redis-cli`."""
        return await redis(self.stores[0].port, *words)


async def redis(port: int, *words: str) -> list[str]:
    """What a store, or a sentinel, says to a command of `redis-cli`, in lines; nothing where nobody is there."""
    words = (command("redis-cli"), "-p", str(port), *words)
    done = await trio.run_process(words, capture_stdout=True, capture_stderr=True, check=False)
    return done.stdout.decode().splitlines()


async def until(
    condition: Callable[[], Awaitable[bool] | bool],
    what: str,
    seen: Callable[[], object] = str,
    patience: float = PATIENCE,
) -> float:
    """Ask again and again until `condition` holds; returns the seconds that took. Says `what` did not come, and what
    was `seen` instead.
    """
    began = trio.current_time()
    while True:
        holds = condition()
        if holds if isinstance(holds, bool) else await holds:
            return trio.current_time() - began
        if trio.current_time() > began + patience:
            shown = seen()
            raise AssertionError(f"not within {patience} s: {what}. {await shown if isawaitable(shown) else shown}")
        await trio.sleep(INTERVAL)


async def start(server: Server) -> None:
    """Start a server without keeping the links waiting meanwhile."""
    await trio.to_thread.run_sync(server.start)


def agent(directory: Path, number: int, **settings: str) -> Agent:
    """An agent with two simulators, which note what they are asked; not started yet."""
    port = free_port()
    given = {
        "LINGMA_ACCOUNTS": f"a{number}:password-{number},b{number}:password-{number}",
        "LINGMA_SIMULATOR": "first=0.01,gap=0.002,record=1",
        "AGENT_TOKEN": AGENT_TOKEN,
        "REPLICA_NAME": f"agent-{number}",
        **settings,
    }
    return Agent(_ours("agent", directory / f"agent-{number}", port, given))


def gateway(directory: Path, number: int, **settings: str) -> Role:
    """A gateway that asks agents; not started yet."""
    port = free_port()
    given = {"LINGMA_UPSTREAM": "agents", "AGENT_TOKEN": AGENT_TOKEN, "REPLICA_NAME": f"gateway-{number}", **settings}
    return Role(_ours("serve", directory / f"gateway-{number}", port, given))


def _ours(role: str, directory: Path, port: int, settings: dict[str, str]) -> Server:
    directory.mkdir(parents=True)
    given = environment(directory, {**settings, "PORT": str(port)})
    return Server(role, (sys.executable, "-m", "lingma_trio.cli", role), port, directory, given)


@asynccontextmanager
async def sentinels(stack: AsyncExitStack, directory: Path, cluster: Cluster) -> AsyncIterator[list[str]]:
    """A primary, a replica and three sentinels; gives the STATE_URL of each gateway.

    Everybody who comes to a store is a user of its own, so that it can be cut off from some of them. The first gateway
    reaches the sentinels over links.
    """
    users = [word for user in USERS for word in ("--user", user, "on", f">{STORE_PASSWORD}", "~*", "&*", "+@all")]
    follows_as = ("--masteruser", KEEPER, "--masterauth", STORE_PASSWORD)
    primary = stack.enter_context(running(store(directory / "primary", *users, *follows_as)))
    follow = ("--replicaof", "127.0.0.1", str(primary.port))
    replica = stack.enter_context(running(store(directory / "replica", *users, *follows_as, *follow)))
    cluster.stores += [primary, replica]

    async def follows() -> bool:
        return "master_link_status:up" in await redis(replica.port, "INFO", "replication")

    await until(follows, "the replica follows")
    for number in range(3):
        login = (f"sentinel auth-user {PRIMARY} {KEEPER}", f"sentinel auth-pass {PRIMARY} {STORE_PASSWORD}")
        server = sentinel(directory / f"sentinel-{number}", primary.port, *login)
        cluster.sentinels.append(stack.enter_context(running(server)))

    async def agree() -> bool:
        told = [await redis(each.port, "SENTINEL", "CKQUORUM", PRIMARY) for each in cluster.sentinels]
        return all(lines and lines[0].startswith("OK 3 ") for lines in told)

    await until(agree, "the sentinels know each other")
    cluster.links += [await stack.enter_async_context(linked(each.port)) for each in cluster.sentinels]
    yield [
        f"valkey+sentinel://{user}:{STORE_PASSWORD}@{','.join(f'127.0.0.1:{port}' for port in ports)}/{PRIMARY}"
        for user, ports in (
            (GATEWAYS[0], [each.port for each in cluster.links]),
            (GATEWAYS[1], [each.port for each in cluster.sentinels]),
        )
    ]


def _keys_file(directory: Path) -> str:
    directory.mkdir(parents=True)
    path = directory / "keys.yaml"
    path.write_text(KEYS_FILE, encoding="utf-8")
    return str(path)


@asynccontextmanager
async def cluster(
    directory: Path, *, failover: bool = False, direct: bool = False, **settings: str
) -> AsyncIterator[Cluster]:
    """Two gateways, two agents and a store for the length of the block, all ready.

    With `failover` the store is a primary, a replica and three sentinels; without it is one, which each gateway reaches
    over a link of its own. Each gateway has a link to each agent. `direct` leaves the links out, for what is measured.
    `settings` are the gateways'.
    """
    made = Cluster()
    settings = {"KEYS_FILE": _keys_file(directory), **settings}
    async with AsyncExitStack() as stack:
        if failover:
            urls = await stack.enter_async_context(sentinels(stack, directory, made))
        else:
            made.stores.append(stack.enter_context(running(store(directory / "store"))))
            made.links += [await stack.enter_async_context(linked(made.stores[0].port)) for _ in range(2)]
            urls = [f"valkey://127.0.0.1:{link.target if direct else link.port}" for link in made.links]
        made.agents += [agent(directory, number) for number in (1, 2)]
        for number, url in enumerate(urls, 1):
            ways = [await stack.enter_async_context(linked(each.port)) for each in made.agents]
            made.ways.append(ways)
            listed = ",".join(f"ws://127.0.0.1:{way.target if direct else way.port}" for way in ways)
            made.gateways.append(gateway(directory, number, STATE_URL=url, LINGMA_AGENTS=listed, **settings))
        async with trio.open_nursery() as nursery:
            for role in (*made.agents, *made.gateways):
                stack.callback(role.server.kill)
                nursery.start_soon(start, role.server)
        for role in (*made.agents, *made.gateways):
            await role.until_ready()
        proxy = balancer(directory / "balancer", *(each.port for each in made.gateways))
        made.balancer = stack.enter_context(running(proxy)).port
        yield made
