"""Clients that hold the gateway up by saying or taking too little: each is let go in its time, and nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import trio

from tests.end_to_end.client import PATIENCE, Connection, connected, question
from tests.end_to_end.gateway import Gateway, started

HEAD = 1.0
IDLE = 2.0
RATE = 20_000
"""Seconds for a head, seconds for an idle connection, and bytes a second, as the gateway is told."""

WINDOW = 20.0
SMALL_WINDOW = 4096
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
STEADY = "Talk.\n#simulate first=0 gap=0.05 deltas=3000 chars=520"
"""Some 14,000 bytes a second: more than the slow reader takes, and less than what the gateway asks of one."""

THIN = "Talk.\n#simulate first=0 gap=0.5 deltas=3000 chars=5"
UPGRADES = 300


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with little patience."""
    with started(
        tmp_path_factory.mktemp("slow"),
        HEAD_TIMEOUT_SEC=f"{HEAD:g}",
        IDLE_TIMEOUT_SEC=f"{IDLE:g}",
        CLIENT_MIN_RATE=str(RATE),
        SSE_KEEPALIVE_SEC="0",
        LINGMA_SIMULATOR="first=0",
    ) as running:
        yield running


async def seconds_until_closed(client: Connection) -> float:
    """How long the gateway keeps the connection."""
    began = time.monotonic()
    with trio.fail_after(PATIENCE):
        await client.closed()
    return time.monotonic() - began


async def read_steadily(client: Connection, size: int, gap: float) -> None:
    """Take so many bytes at a time until the gateway ends the connection."""
    piece = b"."
    while piece:
        await trio.sleep(gap)
        try:
            piece = await client.stream.receive_some(size)
        except trio.BrokenResourceError:
            return


@pytest.mark.alone
@pytest.mark.slow
async def test_rate_is_asked_of_clients_and_not_of_lingma(gateway: Gateway) -> None:
    """A reader of half the rate is let go after the window, also where the stream comes in small pieces; one to whom
    Lingma says less than that is served on.
    """
    async with connected(gateway.port, receive_buffer=SMALL_WINDOW) as slow, connected(gateway.port) as thin:
        await thin.ask(question(THIN))
        await slow.ask(question(STEADY))
        with trio.fail_after(3 * WINDOW):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read_steadily, thin, 65536, 0.1)
                began = time.monotonic()
                await read_steadily(slow, RATE // 20, 0.1)
                assert time.monotonic() - began > WINDOW
                await gateway.until_limiter(in_flight=1)
                nursery.cancel_scope.cancel("the slow one is gone")
    assert gateway.log.count("client_too_slow") == 1
    assert "client_stalled" not in gateway.log


async def test_head_in_drips_is_given_no_more_time(gateway: Gateway) -> None:
    """A byte now and then does not begin the head's time anew."""
    async with connected(gateway.port) as client, trio.open_nursery() as nursery:

        async def drip() -> None:
            for byte in GET:
                await client.stream.send_all(bytes([byte]))
                await trio.sleep(HEAD / 8)

        nursery.start_soon(drip)
        assert HEAD * 0.9 < await seconds_until_closed(client) < HEAD * 4
        nursery.cancel_scope.cancel("it is closed")


@pytest.mark.parametrize("words", [b"", GET], ids=["before a request", "after one"])
async def test_idle_connection_is_closed(gateway: Gateway, words: bytes) -> None:
    """A client that says nothing is let go after IDLE_TIMEOUT_SEC."""
    async with connected(gateway.port) as client:
        if words:
            await client.stream.send_all(words)
        assert IDLE * 0.9 < await seconds_until_closed(client) < IDLE * 3


async def test_upgrades_leave_no_descriptor(gateway: Gateway) -> None:
    """Hundreds of offers of a WebSocket without its key, whose clients then wait, are declined and let go."""
    before = gateway.descriptors
    upgrade = GET[:-2] + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n"
    streams = []
    for _ in range(UPGRADES):
        stream = await trio.open_tcp_stream("127.0.0.1", gateway.port)
        streams.append(stream)
        await stream.send_all(upgrade)
    await gateway.until(lambda: gateway.descriptors <= before + 2)
    for stream in streams:
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 426 ")
        await stream.aclose()
    assert (await gateway.fetch("/healthz")).status == 200
