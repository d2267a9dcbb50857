"""What a second gateway brings, and what an agent and a store add to a short answer. Busy machines say little of it.

Knows clocks and the processes' own accounts of processor time. Must not know what the time is spent on.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

import trio
from pydantic_core import to_json

from tests.end_to_end.client import connected
from tests.scaled import cluster as processes
from tests.scaled.plays import asking
from tests.scaled.talk import KEYS, OK, Heard, chat, outcomes

if TYPE_CHECKING:
    from tests.scaled.cluster import Cluster, Role
    from tests.scaled.table import Row

PACED: Final = "Tell me.\n#simulate first=0.3 gap=0.02 deltas=100"
DELTAS: Final = 100
STREAMS: Final = 40  # at once, for each gateway
SHORT: Final = "Say it.\n#simulate first=0 gap=0 deltas=10"
ASKED: Final = 90  # short answers of each gateway
ENOUGH: Final = 8  # processors on which everything here has one of its own


def _processor_seconds(role: Role) -> float:
    assert role.server.process is not None
    fields = Path(f"/proc/{role.server.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def second_gateway(cluster: Cluster, row: Row) -> None:
    """As many paced streams at one gateway as it is asked for, then the same at each of two."""
    costs: list[float] = []
    for number in (1, 2):
        gateways = cluster.gateways[:number]
        before = [_processor_seconds(each) for each in gateways]
        ends: list[Heard] = []

        async def ask(port: int, place: int, ends: list[Heard] = ends) -> None:
            await trio.sleep(place * 0.02)
            ends.append(await chat(port, KEYS[place % len(KEYS)], asking(PACED)))

        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for place in range(STREAMS * number):
                nursery.start_soon(ask, gateways[place % number].port, place)
        took = trio.current_time() - began
        used = sum(_processor_seconds(each) - old for each, old in zip(gateways, before, strict=True))
        costs.append(used / (STREAMS * number * DELTAS) * 1e6)
        row.saw(
            f"{number} with {STREAMS * number} paced streams: {outcomes(ends)} in {took:.1f} s; first text p99 "
            f"{quantiles([end.first for end in ends], n=100)[98]:.2f} s; {costs[-1]:.0f} us of a processor a delta"
        )
        row.expect({end.outcome for end in ends} == {OK}, "every stream is whole", outcomes(ends))
    share = 2 * costs[0] / costs[1]
    row.saw(
        f"by processor time two serve {share:.2f} times the streams of one; {os.cpu_count()} processors for all of it"
    )
    if (os.cpu_count() or 1) >= ENOUGH:
        row.expect(share >= 1.8, "two gateways serve at least 1.8 times the streams of one", share)


async def short_answers(cluster: Cluster, row: Row) -> None:
    """The same short answer from a gateway of its own, from one with agents, and from one with a store as well."""
    directory = cluster.stores[0].directory / "beside"
    agents = cluster.gateways[0].server.environment or {}
    keys = {"KEYS_FILE": agents["KEYS_FILE"]}
    async with AsyncExitStack() as stack:
        shapes: dict[str, Role] = {}
        for name, given in {
            "alone": {"LINGMA_UPSTREAM": "simulator", "LINGMA_AGENTS": "", "LINGMA_SIMULATOR": "first=0,gap=0"},
            "with agents": {"LINGMA_AGENTS": agents["LINGMA_AGENTS"]},
        }.items():
            role = processes.gateway(directory, len(shapes) + 3, **keys, **given)
            stack.callback(role.server.kill)
            await processes.start(role.server)
            await role.until_ready()
            shapes[name] = role
        shapes["with agents and a store"] = cluster.gateways[0]
        times: dict[str, list[float]] = {name: [] for name in shapes}
        for _ in range(3):
            for name, role in shapes.items():
                times[name] += await _short(role.port, ASKED // 3)
    middles = {name: median(each) * 1000 for name, each in times.items()}
    row.saw("a short answer, p50: " + ", ".join(f"{name} {middle:.2f} ms" for name, middle in middles.items()))


async def _short(port: int, count: int) -> list[float]:
    """How long so many answers took, one after the other on one connection."""
    headers = {"authorization": f"Bearer {KEYS[0]}", "content-type": "application/json"}
    body = to_json({"model": "org_auto", "messages": asking(SHORT)})
    times = []
    async with connected(port) as connection:
        for _ in range(count):
            began = trio.current_time()
            await connection.ask(body, headers)
            answer = await connection.answer()
            times.append(trio.current_time() - began)
            assert answer.status == processes.OK, answer.body
    return times
