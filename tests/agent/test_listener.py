"""One connection is served what it asks for, where it may; who is refused is told so, and so is the operator."""

from __future__ import annotations

import pytest
import trio
from pydantic_core import from_json
from trio.testing import MockClock

from lingma_trio.agent.listener import HEAD_SECONDS, Listener
from tests.agent.support import TOKEN, Town, town


async def got(place: Town, request: bytes) -> bytes:
    """All that the agent answers to what is sent."""
    stream: trio.abc.Stream = place.dial()
    await stream.send_all(request)
    answer = b""
    with trio.fail_after(10):
        while data := await stream.receive_some():
            answer += bytes(data)
    return answer


async def page(place: Town, path: str, *fields: str) -> tuple[int, bytes]:
    """The status and the body of a page."""
    head = "\r\n".join([f"GET {path} HTTP/1.1", "Host: agent", *fields])
    answer = await got(place, f"{head}\r\n\r\n".encode())
    top, _, body = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), body


async def test_probes_say_how_the_agent_stands(autojump_clock: MockClock) -> None:
    """Ready, then draining; names of instances and reasons, and no more."""
    async with town() as place:
        assert await page(place, "/healthz") == (200, b'{"status":"ok"}')
        status, body = await page(place, "/readyz")
        assert (status, from_json(body)) == (
            200,
            {
                "status": "ready",
                "agent": "one",
                "gateways": 0,
                "instances": [{"name": "one.lingma-0", "state": "ready", "reason": "Lingma is starting"}],
            },
        )
        place.hosted.stop()
        status, body = await page(place, "/readyz")
        assert (status, from_json(body)["status"]) == (503, "draining")


async def test_metrics_count_turns_and_gateways(autojump_clock: MockClock) -> None:
    """As they are at the moment."""
    async with town() as place:
        gateway = await place.connect()
        await gateway.ask("chat/ask", requestId="a")
        await place.peer.called("chat/ask")
        await place.listen()
        _, body = await page(place, "/metrics")
        lines = body.decode().splitlines()
        assert 'lingma_agent_turns{instance="one.lingma-0",replica="one"} 1.0' in lines
        assert 'lingma_agent_instance_state{instance="one.lingma-0",replica="one",state="ready"} 1.0' in lines
        assert 'lingma_agent_gateways{replica="one"} 1.0' in lines
        assert [line for line in lines if not line.startswith("#") and 'replica="one"' not in line] == []


@pytest.mark.parametrize("path", ["/", "/internal/tree", "/instance/x", "/instance/a/b/c", "/fleet/x", "/%00"])
async def test_there_is_nothing_else(autojump_clock: MockClock, path: str) -> None:
    """Without ADMIN_TOKEN there is no tree either."""
    async with town() as place:
        assert (await page(place, path))[0] == 404


async def test_gateways_show_the_token(autojump_clock: MockClock) -> None:
    """None, or another one, is refused, which the operator sees in `/readyz`."""
    async with town() as place:
        assert (await page(place, "/fleet"))[0] == 401
        for path in ("/fleet", "/instance/one.lingma-0/x"):
            assert (await page(place, path, "Authorization: Bearer another"))[0] == 401
        _, body = await page(place, "/readyz")
        assert from_json(body)["refused"] == [{"reason": "it showed no AGENT_TOKEN, or another one", "times": 3}]


async def test_what_is_no_websocket_is_told_so(autojump_clock: MockClock) -> None:
    """For somebody who looks with a browser."""
    async with town() as place:
        assert (await page(place, "/fleet", f"Authorization: Bearer {TOKEN}"))[0] == 426


@pytest.mark.parametrize(
    "said", [b"\x16\x03\x01\x02\x00\x01", b"GARBAGE\r\n\r\n", b"x" * 20_000], ids=["tls", "junk", "long"]
)
async def test_what_is_no_request_is_refused_at_once(autojump_clock: MockClock, said: bytes) -> None:
    """TLS above all, where plain text is spoken: its client learns from the answer that this is none."""
    async with town() as place:
        began = trio.current_time()
        assert (await got(place, said)).startswith(b"HTTP/1.1 4")
        assert trio.current_time() == began
        assert list(place.refusals.counts) == ["what it sent is no HTTP request"]


async def test_who_says_nothing_is_refused_within_five_seconds(autojump_clock: MockClock) -> None:
    """And stands among the refused."""
    async with town() as place:
        began = trio.current_time()
        assert await got(place, b"GET /") == b""
        assert trio.current_time() - began == HEAD_SECONDS < 5
        assert list(place.refusals.counts) == ["it said nothing for too long"]


async def test_connections_are_bounded(autojump_clock: MockClock) -> None:
    """Whoever opens more than there is room for is turned away, and those that are there stay."""
    async with town() as place:
        place.listener = Listener(place.pages, place.refusals, hosted=place.hosted, token=TOKEN, most=2)
        gateway = await place.connect()
        assert (await page(place, "/healthz"))[0] == 200
        await place.connect()
        assert await got(place, b"GET /healthz HTTP/1.1\r\nHost: agent\r\n\r\n") == b""
        await gateway.ask("chat/ask", requestId="a")
        await place.peer.called("chat/ask")


@pytest.mark.parametrize(
    "fields",
    [
        "Upgrade: websocket",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 7",
        "Upgrade: \xff\r\nConnection: \xff\r\nSec-WebSocket-Key: \xff\r\nSec-WebSocket-Version: 13",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Extensions: \xff",
    ],
    ids=["half", "version", "bytes", "extensions"],
)
async def test_an_odd_handshake_is_none(autojump_clock: MockClock, fields: str) -> None:
    """Whatever stands in it: the agent goes on, and says that it is no handshake."""
    async with town() as place:
        head = f"GET /fleet HTTP/1.1\r\nHost: {'x' * 70}..\r\nAuthorization: Bearer {TOKEN}\r\n{fields}\r\n\r\n"
        assert (await got(place, head.encode("latin-1"))).startswith(b"HTTP/1.1 426 ")
