"""A client that leaves takes its turn along, however it leaves and wherever the turn stands."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

import pytest
import trio

from tests.end_to_end.client import PATIENCE, Connection, chat, connected, question
from tests.end_to_end.gateway import SERVE, Gateway, started
from tests.end_to_end.upstreams import Upstream

PROMPTLY = 0.1
"""Seconds from the client's departure to the chat/stop. The median of TRIES has to keep it: the machine is shared."""

TRIES = 5
SILENT = "Wait.\n#simulate fault=stall_first"
HALFWAY = "Say half of it.\n#simulate first=0 fault=stall_mid"
FLOWING = "Go on and on.\n#simulate first=0 gap=0.005 deltas=4000"

WAYS: dict[str, Callable[[Connection], None]] = {
    "rst": Connection.reset,
    "fin": Connection.close,
    "half-close": Connection.half_close,
}
MOMENTS: dict[str, tuple[str, bool]] = {
    "before the first byte": (SILENT, True),
    "mid-stream": (FLOWING, True),
    "mid-stream in a pause": (HALFWAY, True),
    "non-stream": (HALFWAY, False),
    "non-stream while text comes": (FLOWING, False),
}


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway with one slot, and an upstream that writes down what it is asked."""
    with started(
        tmp_path_factory.mktemp("departures"),
        SERVE,
        upstream,
        GATEWAY_MAX_IN_FLIGHT="1",
        SSE_KEEPALIVE_SEC="0",
        LINGMA_SIMULATOR="record=1",
    ) as running:
        yield running


@asynccontextmanager
async def asking(gateway: Gateway, text: str, *, stream: bool) -> AsyncIterator[Connection]:
    """A client whose question is being answered: asked upstream and, for a flowing stream, with text at the client."""
    asked = len(gateway.records)
    async with connected(gateway.port) as client:
        await client.ask(question(text, stream=stream))
        await gateway.until(lambda: len(gateway.records) > asked)
        if stream and text != SILENT:
            await client.head()
            await client.first_event()
        yield client


def kinds(records: list[Any]) -> list[str]:
    return [record["kind"] for record in records]


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("way", WAYS)
async def test_departure_ends_the_turn(gateway: Gateway, way: str, moment: str) -> None:
    """Within 100 ms upstream is told to stop; then the slot is free and no session is remembered."""
    text, stream = MOMENTS[moment]
    before = await gateway.stats()
    delays = []
    for _ in range(TRIES):
        seen = len(gateway.records)
        async with asking(gateway, text, stream=stream) as client:
            left = time.monotonic_ns()
            WAYS[way](client)
            await gateway.until(lambda seen=seen: len(gateway.records) >= seen + 2)  # type: ignore[misc]
            asked, stopped = gateway.records[seen:]
        assert (asked["kind"], stopped["kind"]) == ("ask", "stop")
        assert asked["subject"] == stopped["subject"]
        delays.append((stopped["time"] - left) / 1e9)
        await gateway.until_limiter(in_flight=0)
    assert median(delays) < PROMPTLY, delays
    after = await gateway.stats()
    assert after["sessions"]["commits"] == before["sessions"]["commits"]
    assert after["sessions"]["size"] == before["sessions"]["size"]
    assert after["instances"][0]["turns"] == 0


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
async def test_departure_from_the_queue(gateway: Gateway, way: str) -> None:
    """Who leaves while queued is out of the queue within 100 ms, was never asked upstream, and delays nobody."""
    async with asking(gateway, SILENT, stream=True):
        seen = len(gateway.records)
        for _ in range(TRIES):
            async with connected(gateway.port) as client:
                await client.ask(question("Too late."))
                await gateway.until_limiter(in_flight=1, queued=1)
                left = time.monotonic()
                WAYS[way](client)
                await gateway.until_limiter(in_flight=1, queued=0)
                assert time.monotonic() - left < 5 * PROMPTLY  # seen by asking, so with the time that asking takes
    await gateway.until_limiter(in_flight=0)
    await gateway.until(lambda: kinds(gateway.records[seen:]) == ["stop"])
    assert (await chat(gateway.port, "Next.\n#simulate first=0 gap=0")).complete


@pytest.mark.parametrize("way", WAYS)
async def test_departure_hands_the_slot_on(gateway: Gateway, way: str) -> None:
    """The slot of a client that left goes to the next in the queue at once."""
    async with asking(gateway, SILENT, stream=True) as first, connected(gateway.port) as second:
        await second.ask(question("Mine?\n#simulate first=0 gap=0"))
        await gateway.until_limiter(in_flight=1, queued=1)
        WAYS[way](first)
        with trio.fail_after(PATIENCE):
            answer = await second.answer()
    assert answer.complete
    assert answer.events[-1] == "[DONE]"


async def test_departure_is_counted_by_stage(gateway: Gateway) -> None:
    """Cancellations are counted under the stage in which the client left, and are no success."""
    name = "lingma_gateway_cancellations_total{stage=%s}"
    seen, before = len(gateway.records), (await gateway.stats())["metrics"]
    async with asking(gateway, SILENT, stream=True) as client:
        client.reset()
        await gateway.until_limiter(in_flight=0)
    async with asking(gateway, HALFWAY, stream=True) as client:
        client.reset()
        await gateway.until_limiter(in_flight=0)
    after = (await gateway.stats())["metrics"]
    for stage in ("waiting", "streaming"):
        assert after[name % stage] == before.get(name % stage, 0) + 1
    succeeded = "lingma_gateway_requests_total{outcome=ok,route=chat}"
    assert after.get(succeeded, 0) == before.get(succeeded, 0)
    await gateway.until(lambda: kinds(gateway.records[seen:]) == ["ask", "stop"] * 2)


@pytest.mark.alone
@pytest.mark.slow
async def test_departure_behind_another_request_ends_the_turn(gateway: Gateway) -> None:
    """A request that is sent before the answer to the one before hides nothing."""
    seen = len(gateway.records)
    async with connected(gateway.port) as client:
        await client.ask(question(FLOWING))
        await client.stream.send_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await client.head()
        await client.first_event()
        client.reset()
        await gateway.until_limiter(in_flight=0)
    await gateway.until(lambda: kinds(gateway.records[seen:]) == ["ask", "stop"])


async def test_complete_answer_is_no_departure(gateway: Gateway) -> None:
    """A client that closes after its last byte is a success: nothing is stopped, the session is remembered."""
    seen, before = len(gateway.records), await gateway.stats()
    answer = await chat(gateway.port, "Quick.\n#simulate first=0 gap=0")
    assert answer.events[-1] == "[DONE]"
    after = await gateway.stats()
    assert kinds(gateway.records[seen:]) == ["ask"]
    assert after["sessions"]["commits"] == before["sessions"]["commits"] + 1
