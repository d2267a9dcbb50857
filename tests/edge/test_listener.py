"""Who is let in, and who is told that there is no room."""

from __future__ import annotations

import resource
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from select import select

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.connection import House
from lingma_trio.edge.listener import FEWEST, MOST_HEARING, PAUSE, RESERVED, Door, room_for
from tests.edge.served import GET, LARGE, PATIENCE, App

NEVER = GET.replace(b"/ ", b"/never ")
SHORT = 0.05


class Open:
    """A door with one listener, and the app behind it."""

    def __init__(self, bounds: Bounds) -> None:
        self.app = App()
        self.door = Door(House(self.app, bounds))
        self.listener = trio.socket.from_stdlib_socket(sockets.create_server(("127.0.0.1", 0)))
        self.closed = trio.Event()
        self.clients: list[trio.SocketStream] = []

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve until the listener is closed and everybody has left."""
        task_status.started()
        await self.door.serve(self.listener)
        self.closed.set()

    async def connect(self, words: bytes = b"") -> trio.SocketStream:
        """A client that says that."""
        client = await trio.open_tcp_stream("127.0.0.1", self.listener.getsockname()[1])
        self.clients.append(client)
        await client.send_all(words)
        return client


@asynccontextmanager
async def opened(bounds: Bounds | None = None) -> AsyncIterator[Open]:
    """A door that is open for the length of the block."""
    place = Open(bounds or Bounds())
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(place.serve)
            yield place
            nursery.cancel_scope.cancel("the test is over")
    place.listener.close()
    for client in place.clients:
        client.socket.close()


async def said(client: trio.SocketStream) -> bytes:
    heard = b""
    try:
        async for piece in client:
            heard += piece
    except trio.BrokenResourceError:
        return heard
    return heard


@pytest.mark.parametrize("bounds", [Bounds(connections=2), Bounds(per_address=2)], ids=["in all", "by address"])
async def test_one_too_many_is_turned_away(bounds: Bounds) -> None:
    """With a sentence and a hint when to come again; once somebody leaves there is room."""
    async with opened(bounds) as place:
        first, _second = [await place.connect(NEVER) for _ in range(2)]
        await place.app.asked.wait()
        with structlog.testing.capture_logs() as logs:
            words = await said(await place.connect())
        assert words.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in words
        assert [entry["event"] for entry in logs] == ["connections_full"]
        await first.aclose()
        while True:
            third = await place.connect(GET)
            if (await third.receive_some()).startswith(b"HTTP/1.1 200 "):
                break


async def test_flood_is_told_why(autojump_clock: MockClock) -> None:
    """Each of more clients than are waited for, while they hear it."""
    autojump_clock.autojump_threshold = 0.2
    async with opened(Bounds(connections=0)) as place:
        clients = [await place.connect() for _ in range(2 * MOST_HEARING)]
        with structlog.testing.capture_logs() as logs:
            assert all([(await said(client)).startswith(b"HTTP/1.1 503 ") for client in clients])
    assert len(logs) < 10


async def test_want_of_descriptors_does_not_fill_the_log(autojump_clock: MockClock) -> None:
    """It is waited for, for as long as it takes, and those who came meanwhile are served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with opened() as place:
        client = trio.SocketStream(trio.socket.socket())
        place.clients.append(client)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with structlog.testing.capture_logs() as logs:
                await client.socket.connect(place.listener.getsockname())
                await client.send_all(GET)
                await trio.sleep(40 * PAUSE)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert (await client.receive_some()).startswith(b"HTTP/1.1 200 ")
    assert {entry["event"] for entry in logs} == {"no_descriptor_left"}
    assert len(logs) < 10


async def test_closed_door_lets_those_inside_finish() -> None:
    """Idle connections end at once; the others have their time, and are ended when it is over."""
    async with opened() as place:
        idle = await place.connect()
        busy = await place.connect(NEVER)
        await place.app.asked.wait()
        place.listener.close()
        began = trio.current_time()
        await place.door.close(0.2)
        assert trio.current_time() - began >= 0.2
        assert await said(idle) == b""
        place.door.end("the grace is over")
        assert (await said(busy)).startswith(b"HTTP/1.1 500 ")
        await busy.aclose()
        await place.closed.wait()
    assert place.app.ended == ["cancelled"]


async def test_idle_connections_are_given_leave(autojump_clock: MockClock) -> None:
    """Those that are used within it are answered, and told that this is the last time; the others end after it."""
    autojump_clock.autojump_threshold = 0.2
    async with opened() as place:
        silent, used = [await place.connect(GET) for _ in range(2)]
        for client in (silent, used):
            assert (await client.receive_some()).endswith(b"x")
        place.listener.close()
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                await trio.sleep(0.5)
                await used.send_all(GET)
                answer = await said(used)
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert b"connection: close\r\n" in answer

            nursery.start_soon(ask)
            began = trio.current_time()
            await place.door.close(PATIENCE, leave=1.0)
            assert 1.0 <= trio.current_time() - began < 2.0
        assert await said(silent) == b""


async def test_who_could_not_be_told_may_ask_once_more() -> None:
    """A response that has begun when the door closes cannot say that it is the last one, so the next one says it."""
    async with opened() as place:
        client = await place.connect(GET.replace(b"/ ", b"/large "))
        heard = len(await client.receive_some())
        place.listener.close()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(place.door.close, PATIENCE, leave=PATIENCE))
            while heard < LARGE:
                heard += len(await client.receive_some())
            await client.send_all(GET)
            answer = await said(client)
    assert answer.count(b"HTTP/1.1 200 ") == 1
    assert b"connection: close\r\n" in answer


async def test_connection_that_has_said_something_is_not_idle() -> None:
    """What came before the door was closed is answered, also what nobody has read yet, or not all of which is there."""
    async with opened() as place:
        begun, unread = [await place.connect(GET) for _ in range(2)]
        for client in (begun, unread):
            assert (await client.receive_some()).endswith(b"x")
        place.listener.close()
        await begun.send_all(GET[:-2])
        await unread.send_all(GET)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(place.door.close, PATIENCE)
            assert (await said(unread)).startswith(b"HTTP/1.1 200 ")
            await begun.send_all(GET[-2:])
            assert b"connection: close\r\n" in await said(begun)


async def test_empty_house_is_closed_at_once() -> None:
    """Nobody is waited for who is not there."""
    async with opened() as place:
        await wait_all_tasks_blocked()
        place.listener.close()
        await place.door.close(PATIENCE)
        await place.closed.wait()


def test_descriptors_bound_connections() -> None:
    """As many as are asked for, as far as the system has descriptors, and a few in any case."""
    assert room_for(1000, limit=4096) == 1000
    with structlog.testing.capture_logs() as logs:
        assert room_for(1000, limit=256) == 256 - RESERVED
        assert room_for(1000, limit=64) == FEWEST
    assert [entry["event"] for entry in logs] == ["few_descriptors"] * 2


@pytest.mark.parametrize("ticks", range(4))
async def test_who_is_on_the_threshold_at_the_end_is_served(ticks: int) -> None:
    """Promise: whoever the kernel has handed over is waited for, in whatever moment the end comes."""
    for _ in range(10):  # for within a moment the order is anybody's guess
        place = Open(Bounds())
        await place.connect(NEVER)
        async with trio.open_nursery() as nursery:
            await nursery.start(place.serve)
            for _ in range(ticks):
                await trio.lowlevel.checkpoint()
            queued, _, _ = select([place.listener.fileno()], [], [], 0)
            place.listener.close()
            with trio.move_on_after(SHORT) as waited:
                await place.door.close(PATIENCE)
            nursery.cancel_scope.cancel("the test is over")
        place.clients[0].socket.close()
        assert waited.cancelled_caught or queued
