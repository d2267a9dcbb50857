"""Bodies that nobody reads: each is answered, and none of them wedges a connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from tests.end_to_end.client import PATIENCE, Connection, connected
from tests.end_to_end.gateway import Gateway, started

KEY = "key-of-the-uploads"
BEARER = {"authorization": f"Bearer {KEY}"}
LARGE = b"x" * 2_000_000
TIMES = 50

REFUSALS = {
    "no key": ("POST", "/v1/chat/completions", {}, 401, "invalid_api_key"),
    "too large": ("POST", "/v1/chat/completions", BEARER, 413, "request_too_large"),
    "no such path": ("POST", "/v1/nowhere", BEARER, 404, "not_found"),
    "no such method": ("PUT", "/v1/models", BEARER, 405, "method_not_allowed"),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway that wants a key and takes small bodies."""
    directory = tmp_path_factory.mktemp("uploads")
    with started(directory, API_KEYS=KEY, MAX_REQUEST_BYTES="1 MiB") as running:
        yield running


async def send_for_ever(client: Connection) -> None:
    """Send chunk after chunk."""
    while True:
        await client.stream.send_all(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")


@pytest.mark.slow
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_refused_uploads_wedge_nothing(gateway: Gateway, refusal: str) -> None:
    """Large bodies refused unread get their answer in full, each time, and leave no descriptor behind."""
    method, path, headers, status, code = REFUSALS[refusal]
    await gateway.fetch("/healthz")
    before = gateway.descriptors
    for _ in range(TIMES):
        with trio.fail_after(PATIENCE):
            async with connected(gateway.port) as client:
                await client.send(method, path, LARGE, headers)
                answer = await client.answer()
        assert (answer.status, answer.complete, answer.error["code"]) == (status, True, code)
    await gateway.until(lambda: gateway.descriptors <= before)
    assert (await gateway.fetch("/healthz")).status == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/models", "/nowhere"])
async def test_body_that_nobody_asked_for(gateway: Gateway, path: str, *, chunked: bool) -> None:
    """A GET with a large body is answered before that has come, says that its connection ends, and wedges nothing."""
    async with connected(gateway.port) as client:
        with trio.fail_after(PATIENCE):
            headers = {**BEARER, "transfer-encoding": "chunked"} if chunked else BEARER
            await client.send("GET", path, LARGE, headers)
            answer = await client.answer()
    assert answer.complete
    assert answer.headers["connection"] == "close"
    assert (await gateway.fetch("/healthz")).status == 200


async def test_refused_client_that_waits_for_its_answer(gateway: Gateway) -> None:
    """A client that sends the rest of its body only after the answer gets the answer first."""
    async with connected(gateway.port) as client:
        with trio.fail_after(PATIENCE):
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n"
            await client.stream.send_all(head)
            said = b""
            while b"invalid_api_key" not in said:
                said += await client.stream.receive_some()
    assert said.startswith(b"HTTP/1.1 401 ")


@pytest.mark.slow
async def test_upload_that_never_ends_is_cut_off(gateway: Gateway) -> None:
    """Who is refused and goes on sending for ever is hung up on."""
    async with connected(gateway.port) as client:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        await client.stream.send_all(head)
        with trio.fail_after(PATIENCE), pytest.raises(trio.BrokenResourceError):
            await send_for_ever(client)
    assert (await gateway.fetch("/healthz")).status == 200
