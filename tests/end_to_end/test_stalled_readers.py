"""A client that stops reading costs its own turn and nothing else: no slot, no memory without bound, no shutdown."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.end_to_end.client import PATIENCE, Connection, chat, connected, question
from tests.end_to_end.gateway import Gateway, started

STALL = 1.0
ENDING = 4.0
"""Seconds that ending Lingma may add to the grace."""

SMALL_WINDOW = 4096
CLIENTS = 8
FLOOD = "Talk.\n#simulate first=0 gap=0.001 deltas=3000 chars=500"
WHOLE = "All at once.\n#simulate first=0 gap=0 deltas=3000 chars=2000"
"""Six million characters: more than the kernel takes for a client that reads nothing."""

SIZE_OF_FLOOD = 3000 * 500
COPIES = 6
"""Of an answer: as text, as events, as bytes for the socket, and what the allocator keeps between them."""

END = b"\r\n0\r\n\r\n"
QUICK = "Quick.\n#simulate first=0 gap=0"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway with little patience for clients that take nothing."""
    with started(
        tmp_path_factory.mktemp("stalled"),
        CLIENT_STALL_SEC=f"{STALL:g}",
        GATEWAY_MAX_IN_FLIGHT=str(CLIENTS),
        SSE_KEEPALIVE_SEC="0",
        LINGMA_SIMULATOR="record=1",
    ) as running:
        yield running


@asynccontextmanager
async def stalled(gateway: Gateway, text: str = FLOOD, *, stream: bool = True) -> AsyncIterator[Connection]:
    """A client that reads the first event of its stream, or nothing of its answer, and then nothing more."""
    async with connected(gateway.port, receive_buffer=SMALL_WINDOW) as client:
        await client.ask(question(text, stream=stream))
        if stream:
            await client.head()
            await client.first_event()
        yield client


@pytest.mark.alone
@pytest.mark.slow
async def test_stalled_client_loses_its_slot(gateway: Gateway) -> None:
    """About CLIENT_STALL_SEC after it stopped reading, the client's slot is free and upstream has been told to stop."""
    seen = len(gateway.records)
    async with stalled(gateway) as client:
        began = time.monotonic()
        await gateway.until_limiter(in_flight=0)
        took = time.monotonic() - began
        assert not (await client.rest())[1]
    assert STALL * 0.9 <= took < STALL * 2.5
    await gateway.until(lambda: [record["kind"] for record in gateway.records[seen:]] == ["ask", "stop"])


@pytest.mark.alone
@pytest.mark.slow
async def test_stalled_half_closed_client_loses_its_slot_at_once(gateway: Gateway) -> None:
    """A client that reads nothing and then half-closes is gone: the write that it blocks does not hold its slot."""
    async with stalled(gateway) as client:
        client.half_close()
        began = time.monotonic()
        await gateway.until_limiter(in_flight=0)
        assert time.monotonic() - began < STALL / 2


@pytest.mark.alone
@pytest.mark.slow
async def test_stalled_client_of_a_whole_answer_holds_no_slot(gateway: Gateway) -> None:
    """A client that does not take its non-streamed answer holds no slot for it, and is hung up on after the stall."""
    async with stalled(gateway, WHOLE, stream=False) as client:
        await gateway.until(lambda: gateway.holds(client.local_port))
        await gateway.until_limiter(in_flight=1)
        await gateway.until_limiter(in_flight=0)
        await gateway.until(lambda: not gateway.holds(client.local_port))
        answer = await client.answer()
    assert not answer.complete


@pytest.mark.slow
async def test_stalled_clients_cost_bounded_memory(gateway: Gateway) -> None:
    """However many stalled clients come one after the other, no more is kept than a few copies of their answers."""
    before = peak = gateway.resident
    for _ in range(4):
        async with AsyncExitStack() as crowd:
            for _ in range(CLIENTS):
                await crowd.enter_async_context(stalled(gateway))
            with trio.fail_after(PATIENCE):
                while (await gateway.limiter())[0]:
                    peak = max(peak, gateway.resident)
    assert peak - before < COPIES * CLIENTS * SIZE_OF_FLOOD


@pytest.mark.alone
@pytest.mark.slow
async def test_slow_client_is_no_stalled_one(gateway: Gateway) -> None:
    """A client that takes a little at a time gets its whole answer, however long that takes beyond the stall."""
    came = b""
    async with stalled(gateway, "Slowly.\n#simulate first=0 gap=0 deltas=80 chars=2000") as client:
        began = time.monotonic()
        with trio.fail_after(PATIENCE):
            while not came.endswith(END):
                came += await client.stream.receive_some(2 * SMALL_WINDOW)
                await trio.sleep(0.35 * STALL)
        assert time.monotonic() - began > 3 * STALL
        assert b"data: [DONE]" in came


@pytest.mark.alone
@pytest.mark.slow
async def test_stalled_clients_delay_nobody(gateway: Gateway) -> None:
    """While others stall, a client that reads is answered without waiting for them."""
    async with AsyncExitStack() as crowd:
        for _ in range(CLIENTS - 1):
            await crowd.enter_async_context(stalled(gateway, FLOOD))
        began = time.monotonic()
        answer = await chat(gateway.port, QUICK)
        assert time.monotonic() - began < STALL
    assert answer.events[-1] == "[DONE]"
    await gateway.until_limiter(in_flight=0)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_shutdown_keeps_its_grace_with_a_stalled_client(tmp_path: Path, *, stream: bool) -> None:
    """A client that reads nothing, and has long to go before it counts as stalled, holds up no shutdown."""
    grace = 2.0
    with started(tmp_path, SHUTDOWN_GRACE_SEC=f"{grace:g}", CLIENT_STALL_SEC="60") as gateway:
        async with stalled(gateway, FLOOD if stream else WHOLE, stream=stream):
            await gateway.until_limiter(in_flight=1)
            if not stream:
                await gateway.until_limiter(in_flight=0)
            began = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            assert await gateway.exit_status() == 0
            assert time.monotonic() - began < grace + ENDING
