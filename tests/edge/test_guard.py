"""One connection's trouble stays its own: faults, stalls, HTTP/2 and connections that nobody needs any longer."""

from __future__ import annotations

import logging
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import hypercorn.protocol
import hypercorn.trio.run
import pytest
import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from trio.testing import MockClock

from lingma_trio.edge.guard import (
    WORKERS,
    GuardedLifespan,
    GuardedProtocol,
    GuardedServer,
    Idleness,
    install_guard,
)

PATIENCE = 5.0
IDLE = 0.3
STALL = 0.3
REQUEST = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"
LARGE = 16 * 1024 * 1024
"""Bytes that no kernel takes at once."""


class BrokenStream:
    """A connection with a fault that nobody expects, as much of it as a server needs to come across it."""

    def __init__(self, socket: trio.socket.SocketType) -> None:
        self.socket = socket

    async def receive_some(self, _max_bytes: int) -> bytes:
        """Fail."""
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    async def send_eof(self) -> None:
        """Nothing is left to say."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Leave it to the guard."""
        await trio.lowlevel.checkpoint()


async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
    """Answers with a byte, or with a lot under `/large`."""
    assert scope["type"] == "http"
    body = bytes(LARGE) if scope["path"] == "/large" else b"x"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True)
class Served:
    """A connection that is being served: the client's end, the scope it is served in, and the event of its end."""

    client: trio.SocketStream
    scope: trio.CancelScope
    ended: trio.Event


@asynccontextmanager
async def connection(kind: Any = trio.SocketStream, *, stall: float = STALL) -> AsyncIterator[Served]:  # noqa: ANN401 - a kind of stream
    """Connect, be served, and wait for the end of that."""
    install_guard(stall)
    config = Config()
    config.keep_alive_timeout = IDLE
    config.errorlog = logging.getLogger("hypercorn.error")  # or Hypercorn would set it up for the whole process
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        client = await trio.open_tcp_stream("127.0.0.1", listener.getsockname()[1])
        accepted, _ = listener.accept()
    accepted.setblocking(False)
    stream: Any = kind(trio.socket.from_stdlib_socket(accepted))
    server = GuardedServer(ASGIWrapper(app), config, WorkerContext(None), {}, stream)
    served = Served(client, trio.CancelScope(), trio.Event())

    async def guard() -> None:
        with served.scope:
            await server.run()
        served.ended.set()

    async with client, trio.open_nursery() as nursery:
        nursery.start_soon(guard)
        with trio.fail_after(PATIENCE):
            yield served
            await served.ended.wait()


async def hear(client: trio.SocketStream) -> bytes:
    """All that the server says until it hangs up, in whatever way."""
    said = b""
    try:
        async for piece in client:
            said += piece
    except trio.BrokenResourceError:
        return said
    return said


async def test_fault_ends_the_connection_and_nothing_else() -> None:
    """A fault in one connection's code is logged, resets that connection, and leaves the server alone."""
    with structlog.testing.capture_logs() as logs:
        async with connection(BrokenStream) as served:
            assert await hear(served.client) == b""
            await served.ended.wait()
    assert [entry["event"] for entry in logs] == ["connection_failed"]


@pytest.mark.parametrize("line", [b"PRI * HTTP/2.0", b"GET / HTTP/2.0", b"GET / HTTP/3.0", b"GET / HTTP/0.9"])
async def test_other_versions_are_refused(line: bytes) -> None:
    """Anything but HTTP/1.0 and 1.1 gets a 505 and its connection closed."""
    async with connection() as served:
        await served.client.send_all(line + b"\r\n\r\nSM\r\n\r\n")
        said = await hear(served.client)
    assert said.startswith(b"HTTP/1.1 505 ")
    assert b"connection: close" in said.lower()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"content-length: 3", b"transfer-encoding: chunked"], 400),
        ([b"authorization: Bearer a", b"authorization: Bearer b"], 400),
        ([b"transfer-encoding: gzip"], 501),
    ],
    ids=["a length and chunks", "two keys", "an unknown coding"],
)
async def test_what_the_edge_refuses_is_refused(lines: list[bytes], status: int) -> None:
    """Of what h11 by itself takes for a request; nothing behind it is one."""
    async with connection() as served:
        await served.client.send_all(b"\r\n".join([REQUEST[:-4], *lines, b"", b"0", b"", b""]) + REQUEST)
        said = await hear(served.client)
    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert said.count(b"HTTP/1.1") == 1


async def test_offer_to_upgrade_is_declined() -> None:
    """An offer to go on in HTTP/2 is ignored, which is how it is declined."""
    async with connection() as served:
        await served.client.send_all(
            REQUEST[:-2] + b"connection: upgrade\r\nupgrade: h2c\r\nhttp2-settings: AAAA\r\n\r\n"
        )
        assert (await hear(served.client)).startswith(b"HTTP/1.1 200 ")


async def test_idle_connection_is_closed() -> None:
    """A connection without a request is closed after its time, and each request gives it that time again."""
    async with connection() as served:
        began = trio.current_time()
        for _ in range(3):
            await trio.sleep(IDLE / 2)
            await served.client.send_all(REQUEST)
        said = await hear(served.client)
        assert trio.current_time() - began >= 2.5 * IDLE
    assert said.count(b"HTTP/1.1 200 ") == 3


async def test_connection_without_a_request_is_closed() -> None:
    """A client that connects and says nothing, or half of a head, is closed like any idle one."""
    for words in (b"", REQUEST[:10]):
        async with connection() as served:
            if words:
                await served.client.send_all(words)
            await hear(served.client)


async def test_client_that_has_gone_is_forgotten_at_once() -> None:
    """The end of what the client says is the end of an idle connection; the idle time is not waited for."""
    began = trio.current_time()
    async with connection() as served:
        await served.client.send_all(REQUEST)
        await served.client.send_eof()
        await hear(served.client)
        await served.ended.wait()
        assert trio.current_time() - began < IDLE


async def test_client_that_takes_nothing_is_reset() -> None:
    """A write that waits for a client for too long resets the connection, and the log says so."""
    with structlog.testing.capture_logs() as logs:
        async with connection() as served:
            began = trio.current_time()
            await served.client.send_all(REQUEST.replace(b"/ ", b"/large "))
            await served.ended.wait()
            assert STALL <= trio.current_time() - began < 10 * STALL
            assert len(await hear(served.client)) < LARGE
    assert [entry["event"] for entry in logs] == ["client_stalled"]


async def test_cancelled_write_resets_the_connection() -> None:
    """A write can be cancelled, and half a message is never taken for a whole one."""
    async with connection(stall=PATIENCE) as served:
        await served.client.send_all(REQUEST.replace(b"/ ", b"/large "))
        assert await served.client.receive_some(1) == b"H"
        served.scope.cancel("the grace is over")
        await served.ended.wait()
        assert len(await hear(served.client)) < LARGE


async def test_idleness_counts_from_the_last_request(autojump_clock: MockClock) -> None:
    """A connection that works has all its time left; an idle one has what is left of it."""
    idleness = Idleness()
    assert idleness.left(10) == 10

    async def watch() -> None:
        await trio.sleep_forever()

    class Group:
        """Hypercorn's task group, as far as it is used here."""

        spawned = 0

        def spawn(self, *_: object) -> None:
            """Count."""
            self.spawned += 1

    group: Any = Group()
    await idleness.restart(group, watch)
    await trio.sleep(4)
    assert idleness.left(10) == pytest.approx(6)
    await idleness.restart(group, watch)
    assert idleness.left(10) == pytest.approx(10)
    await idleness.stop()
    await trio.sleep(100)
    assert idleness.left(10) == pytest.approx(10)
    assert group.spawned == 1


def test_guard_takes_its_places() -> None:
    """Installing the guard puts its classes where this Hypercorn looks for its own."""
    assert install_guard(7.0)
    assert GuardedServer.stall_seconds == 7.0
    assert vars(hypercorn.protocol)["H11Protocol"] is GuardedProtocol
    assert vars(hypercorn.trio.run)["TCPServer"] is GuardedServer
    assert vars(hypercorn.trio.run)["Lifespan"] is GuardedLifespan


def test_guard_that_does_not_fit_stays_out() -> None:
    """A Hypercorn that nobody has tried it with is told, and left as it is."""
    assert not install_guard(7.0, found="0.99.0")


def test_lifespan_tells_the_number_of_workers() -> None:
    """The app can see how many workers there are."""
    config, state = Config(), dict[str, Any]()
    config.workers = 3
    lifespan = GuardedLifespan(ASGIWrapper(app), config, state)
    assert isinstance(lifespan, Lifespan)
    assert state[WORKERS] == 3
