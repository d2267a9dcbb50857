"""No input of a client ends the server, wedges it or leaves anything behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import trio

from tests.end_to_end import deadly
from tests.end_to_end.client import PATIENCE, Connection, connected, question
from tests.end_to_end.deadly import Input
from tests.end_to_end.gateway import HYPERCORN, SERVE, Gateway, started

BETWEEN = 0.2
"""Seconds a server has for its answer before the next piece is sent, and before the client leaves."""

LAUNCHES = {"serve": SERVE, "hypercorn": HYPERCORN}
ENDS: tuple[Callable[[Connection], None], ...] = (Connection.close, Connection.reset, Connection.half_close)


@pytest.fixture(scope="module", params=LAUNCHES)
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all inputs, launched in either way."""
    directory = tmp_path_factory.mktemp(f"deadly-{request.param}")
    with started(directory, LAUNCHES[request.param], LINGMA_SIMULATOR="first=0") as running:
        yield running


async def play(port: int, wicked: Input, leave: Callable[[Connection], None]) -> bytes:
    """Send an input piece by piece and leave; returns what the server said to it."""
    said = b""
    async with connected(port) as client:
        for piece in wicked.pieces:
            try:
                await client.stream.send_all(piece)
            except trio.BrokenResourceError:
                break
            said += await listen(client)
        with suppress(OSError):  # the server may have hung up first
            leave(client)
    return said


async def listen(client: Connection) -> bytes:
    """What the server says until it falls silent or hangs up."""
    said = b""
    while True:
        with trio.move_on_after(BETWEEN) as patience:
            try:
                piece = await client.stream.receive_some()
            except trio.BrokenResourceError:
                return said
            if not piece:
                return said
            said += piece
        if patience.cancelled_caught:
            return said


async def assert_serves(gateway: Gateway) -> None:
    """The server is the one that it was, and it answers."""
    assert gateway.running, gateway.log
    answer = await gateway.fetch("/healthz")
    assert (answer.status, answer.complete) == (200, True)
    assert (await gateway.fetch("/readyz")).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("wicked", deadly.HTTP1, ids=lambda each: each.name)
async def test_server_survives(gateway: Gateway, wicked: Input) -> None:
    """The server answers the next client after an input that no client should send, however it then left."""
    async with trio.open_nursery() as nursery:
        for leave in ENDS:
            nursery.start_soon(play, gateway.port, wicked, leave)
    await assert_serves(gateway)


@pytest.mark.slow
@pytest.mark.parametrize("wicked", deadly.HTTP2, ids=lambda each: each.name)
async def test_http2_is_refused(gateway: Gateway, wicked: Input) -> None:
    """A client that speaks HTTP/2 on the plaintext port gets a 505 and nothing else, and harms nobody."""
    said = await play(gateway.port, wicked, Connection.close)
    assert said.startswith(b"HTTP/1.1 505 ")
    assert said.count(b"HTTP/1.1") == 1
    await assert_serves(gateway)


async def test_offer_of_http2_is_declined(gateway: Gateway) -> None:
    """`Upgrade: h2c` is ignored: the request is served as the HTTP/1.1 that it is."""
    headers = {"connection": "upgrade, http2-settings", "upgrade": "h2c", "http2-settings": "AAMAAABkAAQAAP__"}
    answer = await gateway.fetch("/healthz", headers=headers)
    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.slow
async def test_everything_at_once(gateway: Gateway) -> None:
    """All the inputs at the same time do no more than each by itself."""
    async with trio.open_nursery() as nursery:
        for wicked in (*deadly.HTTP1, *deadly.HTTP2):
            nursery.start_soon(play, gateway.port, wicked, Connection.reset)
    await assert_serves(gateway)


@pytest.mark.slow
async def test_storm_of_resets(gateway: Gateway) -> None:
    """Hundreds of connections that are reset at once, with and without a request, harm nobody."""
    for number in range(300):
        async with connected(gateway.port) as client:
            if number % 2:
                await client.ask(question("Never mind."))
            client.reset()
    await gateway.until_limiter(in_flight=0)
    await assert_serves(gateway)


@pytest.mark.parametrize(
    "lines", [b"", b"sec-websocket-key: eA==\r\nsec-websocket-version: 13\r\n"], ids=["bare", "whole"]
)
@pytest.mark.parametrize("path", [b"/v1/responses", b"/healthz"])
async def test_offer_of_a_websocket_is_declined(gateway: Gateway, path: bytes, lines: bytes) -> None:
    """At once, with the one status after which Codex goes on over HTTP, and the connection ends."""
    words = b"GET %b HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n%b\r\n" % (path, lines)
    async with connected(gateway.port) as client:
        with trio.fail_after(PATIENCE):
            await client.stream.send_all(words)
            said = b""
            while piece := await client.stream.receive_some():
                said += piece
    assert said.startswith(b"HTTP/1.1 426 ")
    assert b'"upgrade_refused"' in said
