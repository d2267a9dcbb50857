"""Two thousand clients that leave whenever they like, under load, leave nothing behind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from tests.end_to_end.client import PATIENCE, Connection, CutOff, chat, connected, question
from tests.end_to_end.gateway import SERVE, Gateway, started
from tests.end_to_end.upstreams import Upstream

WARM_UP = 200
DEPARTURES = 2000
CLIENTS = 32
SLOTS = 4
SEED = 20261122
MOST_GROWTH = 16 * 1024 * 1024
"""Bytes of memory that 1,800 departures may add to those of the warm-up: what an allocator keeps, and no leak."""

ANSWER = "Talk.\n#simulate first=0.01 gap=0.002 deltas=20"
WAYS: tuple[Callable[[Connection], None], ...] = (Connection.reset, Connection.close, Connection.half_close)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Departure:
    """How one client leaves: by what way, how many seconds after it asked, and what it did until then."""

    leave: Callable[[Connection], None]
    after: float
    stream: bool
    reads: bool
    asks_in_full: bool


def departures(number: int) -> Iterator[Departure]:
    """The same random departures at each run."""
    dice = random.Random(SEED)
    for _ in range(number):
        yield Departure(
            leave=dice.choice(WAYS),
            after=dice.choice((0.0, dice.uniform(0, 0.02), dice.uniform(0, 0.8))),
            stream=dice.random() < 0.7,
            reads=dice.random() < 0.5,
            asks_in_full=dice.random() < 0.9,
        )


async def depart(gateway: Gateway, plan: Departure) -> None:
    """Be one client, until it has left."""
    async with connected(gateway.port) as client:
        if plan.asks_in_full:
            await client.ask(question(ANSWER, stream=plan.stream))
        else:
            await client.stream.send_all(HEAD)
        with trio.move_on_after(plan.after):
            if plan.reads and plan.asks_in_full:
                await read(client)
            await trio.sleep_forever()
        plan.leave(client)
        if plan.leave is Connection.half_close:
            with trio.fail_after(PATIENCE):
                await client.closed()


async def read(client: Connection) -> None:
    """Read on until the end of the answer."""
    try:
        await client.head()
        while await client.chunk():
            pass
    except CutOff:
        return


async def depart_all(gateway: Gateway, plans: Iterator[Departure]) -> None:
    """So many clients at the same time, each starting over when it has left."""

    async def be_one_after_the_other() -> None:
        for plan in plans:
            await depart(gateway, plan)

    async with trio.open_nursery() as nursery:
        for _ in range(CLIENTS):
            nursery.start_soon(be_one_after_the_other)


async def settle(gateway: Gateway, descriptors: int) -> None:
    """Wait until nothing of the departed is left."""
    await gateway.until_limiter(in_flight=0, queued=0)
    await gateway.until(lambda: gateway.descriptors <= descriptors)


@pytest.mark.alone
@pytest.mark.slow
async def test_two_thousand_departures_leave_nothing(program: Upstream, tmp_path: Path) -> None:
    """No slot, no place in the queue, no turn, no descriptor and no memory is lost, and the gateway answers."""
    limits = {"GATEWAY_MAX_IN_FLIGHT": str(SLOTS), "GATEWAY_QUEUE_TIMEOUT_SEC": "5"}
    with started(tmp_path, SERVE, program, LINGMA_SIMULATOR="record=1", **limits) as gateway:
        await gateway.fetch("/healthz")
        descriptors = gateway.descriptors + 1  # the connection that asks for the limiter's counts
        await depart_all(gateway, departures(WARM_UP))
        await settle(gateway, descriptors)
        resident = gateway.resident
        await depart_all(gateway, departures(DEPARTURES - WARM_UP))
        await settle(gateway, descriptors)
        assert gateway.resident - resident < MOST_GROWTH
        stats = await gateway.stats()
        assert stats["instances"][0]["turns"] == 0
        assert stats["instances"][0]["generation"] == 1
        for stage in ("receiving", "queued", "waiting", "streaming"):
            assert stats["metrics"][f"lingma_gateway_cancellations_total{{stage={stage}}}"] > 0
        if program.name == "acp":
            # Those of conversations that can be gone on with, and one that was made for nobody yet.
            await gateway.until(lambda: gateway.open_sessions <= stats["sessions"]["size"] + 1)
        assert '"level": "error"' not in gateway.log
        assert (await chat(gateway.port, ANSWER)).events[-1] == "[DONE]"
