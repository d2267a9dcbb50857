"""What is played with a primary, a replica and three Sentinels: the primary dies, or is cut off and comes back.

Conversations go on all the while, two forks of each question at both gateways at once: the simulators' record then has
every session that was used twice.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from tests.scaled.cluster import GATEWAYS, OPERATOR_OF_STORES, STORE_PASSWORD, USERS, Cluster, redis, start, until
from tests.scaled.plays import hits_of
from tests.scaled.talk import OK, Conversation, Heard, conversations, outcomes, uses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.scaled.cluster import Role
    from tests.scaled.table import Row
    from tests.servers import Server

WORKERS: Final = 8
PAUSE: Final = 0.1  # seconds between two questions of a worker: what is measured is no throughput
TURNS: Final = 3
TORN: Final = 3.0  # seconds in which two primaries are written to
MOST_TORN: Final = 20.0  # where a busy machine takes longer until both are
WRITES_AGAIN: Final = 2.0  # seconds from when the new primary takes writes
TICK: Final = 0.02  # seconds between two looks at how late this very program is woken


@dataclass
class Load:
    """Conversations that begin anywhere, and go on with forks at both gateways, until they are used up."""

    cluster: Cluster
    waiting: list[Conversation]
    ends: list[Heard] = field(default_factory=list)

    async def run(self) -> None:
        """Have all of them, a few at a time."""
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._work)

    async def _work(self) -> None:
        ports = [gateway.port for gateway in self.cluster.gateways]
        while self.waiting:
            talk = self.waiting.pop()
            self.ends.append(await talk.ask(self.cluster.balancer))
            for _ in range(TURNS - 1):
                await trio.sleep(PAUSE)
                self.ends += await talk.race(*ports)


async def under_load(
    cluster: Cluster, row: Row, count: int, name: str, trouble: Callable[[Row], Awaitable[None]]
) -> None:
    """Have `count` conversations, with `trouble` when a third of them began; then count what was used twice."""
    load = Load(cluster, conversations(count, name))
    went_on_before, _ = used(cluster)

    def third() -> bool:
        return len(load.waiting) <= count * 2 // 3

    async with trio.open_nursery() as nursery:
        nursery.start_soon(load.run)
        await until(third, "a third of the conversations", lambda: outcomes(load.ends))
        await trouble(row)
    went_on, doubled = used(cluster)
    went_on -= went_on_before
    row.saw(f"{count} conversations, {len(load.ends)} questions: {outcomes(load.ends)}")
    row.saw(f"{went_on} questions went on in a session; sessions used twice: {doubled}")
    row.expect(doubled == 0, "no double use", doubled)
    row.expect(went_on > count // 4, "sessions were used", went_on)
    row.expect({end.outcome for end in load.ends} == {OK}, "every question is answered", outcomes(load.ends))


def used(cluster: Cluster) -> tuple[int, int]:
    """Questions that went on in a session since the beginning, and sessions that were used twice."""
    return uses(entry for agent in cluster.agents for entry in agent.asked())


async def primary_killed(cluster: Cluster, row: Row, count: int) -> None:
    """The primary dies; a replica becomes the next one, and is written to at once."""
    old, new = await _in_their_roles(cluster)
    await _lose(cluster, row, count, "bereaved", old, new, old.kill)
    await start(old)
    await redis(old.port, "REPLICAOF", "127.0.0.1", str(new.port))  # as Sentinel would, some ten seconds later


async def primary_cut_off(cluster: Cluster, row: Row, count: int) -> None:
    """The primary is silent until another one is made, and comes back with all that it held."""
    old, new = await _in_their_roles(cluster)
    await _lose(cluster, row, count, "parted", old, new, partial(old.send, signal.SIGSTOP))


async def _lose(
    cluster: Cluster, row: Row, count: int, name: str, old: Server, new: Server, lose: Callable[[], None]
) -> None:
    """Lose the primary under load. One that was only frozen comes back within it."""
    known = conversations(8, f"{name}-known")
    for talk in known:
        await talk.ask(cluster.balancer)

    async def trouble(row: Row) -> None:
        lost = trio.current_time()
        lose()
        await until(partial(takes_writes, new.port), "the replica is the primary")
        promoted = trio.current_time()
        again = await _written_again(cluster)
        missed = max(0, again.missed - promoted)
        row.saw(
            f"the replica took writes {promoted - lost:.2f} s after the end of the primary; conversations that began "
            f"{max(0, again.kept - promoted):.2f} s after that were kept by both gateways, the last that was not "
            f"{missed:.2f} s after; others took {again.others:.2f} s of what that took"
        )
        row.expect(
            missed <= again.allowed,
            f"writes again within {WRITES_AGAIN:.0f} s, or twice that for what others took of the processors",
            f"{missed:.2f} s",
        )
        if old.process is not None:
            old.send(signal.SIGCONT)

    await under_load(cluster, row, count, name, trouble)
    hits_of_old = [await _hits(cluster, known) for _ in range(2)]
    row.saw(
        f"of {len(known)} conversations from before {hits_of_old[0]} were hits at once, {hits_of_old[1]} afterwards"
    )
    row.expect(hits_of_old[1] == len(known), "every conversation misses at most once", hits_of_old)


async def _in_their_roles(cluster: Cluster) -> list[Server]:
    """The primary, and who follows it, as soon as there is one of each: two may take writes for a while."""
    found: list[Server] = []

    async def settled() -> bool:
        first, second = cluster.stores
        found[:] = [second, first] if await _follows(first.port) else [first, second]
        return await takes_writes(found[0].port) and await _follows(found[1].port)

    await until(settled, "there is one primary, and one that follows it")
    return found


async def _hits(cluster: Cluster, talks: list[Conversation]) -> int:
    """How many go on as hits, half of them at each gateway."""
    found = 0
    for place, gateway in enumerate(cluster.gateways):
        found += await hits_of(gateway, [await talk.ask(gateway.port) for talk in talks[place::2]])
    return found


@dataclass
class Again:
    """When the first conversation began that each gateway kept, and the last that one did not, 0 for none. `others` are
    the seconds until then for which other programs kept this one from the processors, of the `late` ones in all.
    """

    kept: float = 0.0
    missed: float = 0.0
    others: float = 0.0
    late: float = 0.0

    @property
    def allowed(self) -> float:
        """Seconds within which gateways have to write again. However busy the machine: on one that leaves them less
        than half of its time nothing is shown.
        """
        return WRITES_AGAIN + min(self.others, WRITES_AGAIN)

    async def watch(self, gateway: Role) -> None:
        """Have conversations at a gateway until one goes on as a hit."""

        async def kept() -> bool:
            began, late = trio.current_time(), self.late
            if not await _keeps(gateway):
                if began > self.missed:
                    self.missed, self.others = began, late
                return False
            self.kept = max(self.kept, began)
            return True

        await until(kept, "conversations that begin now go on as hits")

    async def look_at_the_machine(self) -> None:
        """Count how late this program is woken, for ever."""
        while True:
            due = trio.current_time() + TICK
            await trio.sleep_until(due)
            self.late += max(0.0, trio.current_time() - due - TICK)


async def _written_again(cluster: Cluster) -> Again:
    """Wait until every gateway has kept a conversation that went on as a hit then."""
    again = Again()
    async with trio.open_nursery() as machine:
        machine.start_soon(again.look_at_the_machine)
        async with trio.open_nursery() as nursery:
            for gateway in cluster.gateways:
                nursery.start_soon(again.watch, gateway)
        machine.cancel_scope.cancel("all of them do")
    return again


async def primary_parted(cluster: Cluster, row: Row, count: int) -> None:
    """The primary is cut off from its replica, the Sentinels and one gateway; the other gateway has it to itself, and
    cannot reach the Sentinels either: both go on, each with a primary of its own, until that is mended.
    """
    old, new = await _in_their_roles(cluster)
    known = conversations(8, "torn-known")
    for talk in known:
        await talk.ask(cluster.balancer)

    async def trouble(row: Row) -> None:
        for link in cluster.links:
            link.hold()
        others = [user for user in USERS if user not in (OPERATOR_OF_STORES, GATEWAYS[0])]
        for user in ("default", *others):
            await _operate(old, "ACL", "SETUSER", user, "off")
            await _operate(old, "CLIENT", "KILL", "USER", user)
        await until(partial(takes_writes, new.port), "the replica is the primary")
        torn, kept = trio.current_time(), [0, 0]
        while trio.current_time() < torn + TORN or not all(kept):
            for place, gateway in enumerate(cluster.gateways):
                kept[place] += await _keeps(gateway)
            if trio.current_time() > torn + MOST_TORN:
                break
        whose = [await _answers_to(store, user) for store, user in zip((old, new), GATEWAYS, strict=True)]
        row.saw(f"for {trio.current_time() - torn:.1f} s there were two: {kept} conversations that began were kept")
        row.expect(all(kept) and all(whose), "each gateway goes on with the primary that it reaches", (kept, whose))
        for user in ("default", *others):
            await _operate(old, "ACL", "SETUSER", user, "on")
        await _operate(old, "REPLICAOF", "127.0.0.1", str(new.port))  # as Sentinel would, some ten seconds later
        for link in cluster.links:
            link.mend()
        mended = trio.current_time()
        again = await _written_again(cluster)
        row.saw(f"mended: conversations that began {max(0, again.kept - mended):.2f} s later were kept")

    await under_load(cluster, row, count, "torn", trouble)
    hits_of_old = [await _hits(cluster, known) for _ in range(2)]
    row.saw(f"of {len(known)} conversations from before {hits_of_old[0]} were hits, {hits_of_old[1]} afterwards")
    row.expect(hits_of_old[1] == len(known), "every conversation misses at most once", hits_of_old)


async def _keeps(gateway: Role) -> bool:
    """Whether a conversation that begins there goes on as a hit."""
    (talk,) = conversations(1, f"new-{gateway.port}-{trio.current_time()}")
    await talk.ask(gateway.port)
    return bool(await hits_of(gateway, [await talk.ask(gateway.port)]))


async def _answers_to(server: Server, user: str) -> bool:
    """Whether that gateway has a connection to this store."""
    return any(f"user={user} " in line for line in await _operate(server, "CLIENT", "LIST"))


async def _operate(server: Server, *words: str) -> list[str]:
    """What a store says to a command that may have let go of everybody else."""
    login = ("--user", OPERATOR_OF_STORES, "--pass", STORE_PASSWORD, "--no-auth-warning")
    return await redis(server.port, *login, *words)


async def two_primaries(cluster: Cluster, row: Row, count: int) -> None:
    """Sentinel makes the replica the primary while the old one lives: for a moment there are two that take writes."""
    primary, replica = await _in_their_roles(cluster)

    async def trouble(row: Row) -> None:
        asked = trio.current_time()
        await redis(cluster.sentinels[0].port, "SENTINEL", "FAILOVER", "lingma")
        await until(partial(takes_writes, replica.port), "the replica is the primary")
        both = await takes_writes(primary.port)
        row.saw(f"the replica took writes {trio.current_time() - asked:.2f} s after; the old one did as well: {both}")

    await under_load(cluster, row, count, "twofold", trouble)


async def takes_writes(port: int) -> bool:
    """Whether the store there says that it is a primary."""
    with trio.move_on_after(1):
        return "role:master" in await redis(port, "INFO", "replication")
    return False


async def _follows(port: int) -> bool:
    return "master_link_status:up" in await redis(port, "INFO", "replication")
