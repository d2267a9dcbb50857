"""Connections are reused while the client wants them and leave nothing behind when it does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from tests.end_to_end.client import PATIENCE, connected, question
from tests.end_to_end.gateway import HYPERCORN, SERVE, Gateway, started

LAUNCHES = {"serve": SERVE, "hypercorn": HYPERCORN}
MANY = 100
SOON = 5.0
"""Seconds, well under the time for which an idle connection is kept."""


@pytest.fixture(scope="module", params=LAUNCHES)
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway, launched in either way."""
    directory = tmp_path_factory.mktemp(f"connections-{request.param}")
    with started(directory, LAUNCHES[request.param], LINGMA_SIMULATOR="first=0,gap=0") as running:
        yield running


async def test_connection_serves_one_request_after_the_other(gateway: Gateway) -> None:
    """A connection carries whole answers and finished streams alike, and goes on after errors."""
    async with connected(gateway.port) as client:
        with trio.fail_after(PATIENCE):
            for body, status in ((question("One."), 200), (question("Two.", stream=False), 200), (b"[]", 400)):
                await client.ask(body)
                assert (await client.answer()).status == status
            await client.send("GET", "/nowhere")
            assert (await client.answer()).status == 404


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/nowhere"])
async def test_head_is_a_get_without_its_body(gateway: Gateway, path: str) -> None:
    """HEAD gets the head that GET would get, its length included, and the connection goes on."""
    async with connected(gateway.port) as client:
        with trio.fail_after(PATIENCE):
            await client.send("HEAD", path)
            head = await client.answer()
            await client.send("GET", path)
            whole = await client.answer()
    assert head.body == b""
    assert (head.status, head.headers["content-length"]) == (whole.status, whole.headers["content-length"])
    assert int(whole.headers["content-length"]) == len(whole.body)


async def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    """Requests that are sent without waiting get their answers one after the other."""
    async with connected(gateway.port) as client:
        for path in (b"/healthz", b"/nowhere", b"/healthz"):
            await client.stream.send_all(b"GET " + path + b" HTTP/1.1\r\nhost: localhost\r\n\r\n")
        came = b""
        with trio.fail_after(PATIENCE):
            while came.count(b'{"status":"ok"}') < 2:
                came += await client.stream.receive_some()
    assert came.index(b" 200 ") < came.index(b" 404 ") < came.rindex(b" 200 ")


async def test_finished_connections_leave_nothing(gateway: Gateway) -> None:
    """Clients that close behind their answer are forgotten at once, not when an idle connection would be."""
    await gateway.fetch("/healthz")
    before = gateway.descriptors
    for _ in range(MANY):
        await gateway.fetch("/healthz")
    with trio.fail_after(SOON):
        await gateway.until(lambda: gateway.descriptors <= before + 1)
