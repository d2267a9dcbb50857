"""The sweep over the edge: a client leaves, or the server ends, before every single step that anything takes.

A whole gateway but for its processes, from the listening socket to a Lingma over memory streams. Each scenario is a
client that runs beside it; the n-th run is cut before the n-th step of any task, until a run gets through untouched.
"""

from __future__ import annotations

import socket as sockets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import pytest
import trio
import trustme
from pydantic_core import to_json
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.connection import House
from lingma_trio.edge.listener import Door
from lingma_trio.http.routes import build_router
from tests.sweep import FRESH, GOOD, IDLE, Scenario, Tripwire, World, open_world, running_tasks

pytestmark = pytest.mark.slow

HowItEnds = Literal["cancelled", "client leaves"]
Stream: TypeAlias = "trio.SocketStream | trio.SSLStream[trio.SocketStream]"
Script: TypeAlias = "Callable[[Visitor], Awaitable[None]]"

HOST = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
GRACE = 5.0
READ = 128 * 1024


def asked(*lines: bytes, stream: bool) -> tuple[bytes, bytes]:
    """The head and the body of a question."""
    body = to_json({"model": "auto", "messages": FRESH, "stream": stream})
    told = (b"Content-Length: %d" % len(body), *lines)
    return b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"\r\n".join([*told, b"", b""]), body


@dataclass
class Visitor:
    """A client. `said` is all that it heard; `door` is what it goes through."""

    stream: Stream
    socket: trio.SocketStream
    door: Door
    stop: Callable[[], None]
    said: bytes = b""

    async def say(self, *pieces: bytes) -> None:
        """Send one piece after the other, each once the one before has been heard."""
        for piece in pieces:
            await self.stream.send_all(piece)
            await wait_all_tasks_blocked()

    async def hear(self, until: bytes) -> None:
        """Listen until it comes, or the server hangs up; with nothing to wait for, until that."""
        while not until or until not in self.said:
            piece = await self.stream.receive_some()
            if not piece:
                return
            self.said += piece


async def whole(visitor: Visitor) -> None:
    """Body behind the head, in two pieces."""
    head, body = asked(stream=False)
    await visitor.say(head[:30], head[30:] + body[:9], body[9:])
    await visitor.hear(b'"finish_reason":"stop"')


async def stream(visitor: Visitor) -> None:
    """Leave to send the body is waited for; then the connection goes on."""
    head, body = asked(b"Expect: 100-continue", stream=True)
    await visitor.say(head)
    await visitor.hear(b"100 Continue\r\n\r\n")
    await visitor.say(body)
    await visitor.hear(b"[DONE]")
    await visitor.say(GET)
    await visitor.hear(b'{"status":"ok"}')


async def pipelined(visitor: Visitor) -> None:
    """Everything at once, and the end of the connection with it."""
    await visitor.say(GET + b"".join(asked(stream=False)) + GET.replace(HOST, HOST + b"Connection: close\r\n"))
    await visitor.hear(b"")


async def chunks(visitor: Visitor) -> None:
    """A body in chunks, and behind it what is none."""
    _, body = asked(stream=True)
    head = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    await visitor.say(head, b"%x\r\n%b\r\n" % (len(body), body), b"0\r\n\r\n")
    await visitor.hear(b"[DONE]")
    await visitor.say(b"\0\r\n")
    await visitor.hear(b"")


async def drained(visitor: Visitor) -> None:
    """The server stops while a stream is under way, and waits for its end."""
    await visitor.say(b"".join(asked(stream=True)))
    await visitor.hear(b"Gre")
    visitor.stop()
    await visitor.hear(b"")


async def two_too_many(visitor: Visitor) -> None:
    """Others find the house full, and one of them leaves before it is told why."""
    await visitor.say(GET[:9])
    for _ in range(2):
        with trio.socket.socket(sockets.AF_UNIX) as other:
            await other.connect(visitor.socket.socket.getpeername())
            with suppress(OSError):
                visitor.said += await other.recv(100)
    await visitor.say(GET[9:])
    await visitor.hear(b'{"status":"ok"}')


async def slow(visitor: Visitor) -> None:
    """The stream is more than the kernel takes, and is read by and by."""
    await visitor.say(b"".join(asked(stream=True)))
    while b"[DONE]" not in visitor.said:
        piece = await visitor.stream.receive_some(READ)
        if not piece:
            return
        visitor.said += piece
        await trio.sleep(1)


PIECE = "\x01" * 4000
PIECES = 15
"""Text for which the kernel has no room, since each character is six in JSON, and which is yet so short that no thread
works on it: a clock that jumps would not wait for one."""


def paused(seconds: float) -> Scenario:
    """An answer with a pause in its middle."""
    return Scenario(FRESH, [*GOOD[:2], ("pause", seconds), *GOOD[2:]])


@dataclass(frozen=True)
class Visit:
    """What a client does, what Lingma answers, and what an untouched client has heard."""

    script: Script
    heard: tuple[bytes, ...]
    answer: Scenario = field(default_factory=lambda: Scenario(FRESH, GOOD))
    tls: bool = False
    bounds: Bounds = field(default_factory=Bounds)


VISITS = {
    "whole answer": Visit(whole, (b" 200 ", b"Green.")),
    "stream and another request": Visit(stream, (b"[DONE]", b'{"status":"ok"}')),
    "pipelined": Visit(pipelined, (b'{"status":"ok"}', b"Green.")),
    "chunks and noise": Visit(chunks, (b"[DONE]", b" 400 ")),
    "tls": Visit(stream, (b"[DONE]", b'{"status":"ok"}'), tls=True),
    "drain": Visit(drained, (b"[DONE]",), paused(GRACE / 2)),
    "drain that is too short": Visit(drained, (b"shutting_down",), paused(GRACE * 2)),
    "full house": Visit(two_too_many, (b" 503 ", b'{"status":"ok"}'), bounds=Bounds(connections=1)),
    "slow reader": Visit(slow, (b"[DONE]",), Scenario(FRESH, [*[("text", PIECE)] * PIECES, ("finish", 200)])),
}


@dataclass(frozen=True)
class Authority:
    """Who signs the server's certificate: contexts for both ends."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Made once: keys take long."""
    signer = trustme.CA()
    both = Authority(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context())
    signer.issue_cert("localhost").configure_cert(both.server)
    signer.configure_trust(both.client)
    return both


@contextmanager
def listening(path: Path) -> Iterator[sockets.socket]:
    """At a path: what is written there is read at once, so that the same happens at each run."""
    with sockets.socket(sockets.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.setblocking(False)
        yield listener
    path.unlink()


@asynccontextmanager
async def visiting(
    door: Door, path: Path, tls: ssl.SSLContext | None, stop: Callable[[], None]
) -> AsyncIterator[Visitor]:
    """A client that has connected and not yet said anything."""
    with trio.socket.socket(sockets.AF_UNIX) as socket:
        plain = trio.SocketStream(socket)
        stream: Stream = plain
        if tls is not None:
            stream = trio.SSLStream(plain, tls, server_hostname="localhost", https_compatible=True)
        visitor = Visitor(stream, plain, door, stop)
        await socket.connect(str(path))
        yield visitor


@dataclass
class Run:
    """One run. `ended` is when the server was through."""

    visitor: Visitor | None = None
    tripwire: Tripwire | None = None
    ended: float = 0.0


async def run_once(world: World, visit: Visit, steps: int, how: HowItEnds, path: Path, authority: Authority) -> Run:
    """Have the client come, and cut it before the given step."""
    run, scope, gone = Run(), trio.CancelScope(), trio.CancelScope()
    house = House(build_router(), visit.bounds, authority.server if visit.tls else None, {"services": world.services})
    door = Door(house)

    def leave() -> None:
        gone.cancel("the client leaves")
        if run.visitor is not None:
            run.visitor.socket.socket.close()

    tripwire = run.tripwire = Tripwire(steps, partial(scope.cancel, "the sweep") if how == "cancelled" else leave)
    with listening(path) as listener:
        heard = trio.socket.from_stdlib_socket(listener)

        leaving = trio.Event()

        async def serve() -> None:
            with heard, scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(door.serve, heard)
                    await leaving.wait()
                    heard.close()
                    world.services.ceiling.drain(GRACE - 1)
                    await door.close(GRACE)
                    door.end("the grace is over")
            run.ended = trio.current_time()

        async with trio.open_nursery() as nursery:
            trio.lowlevel.add_instrument(tripwire)
            nursery.start_soon(serve)
            with gone, suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                async with visiting(door, path, authority.client if visit.tls else None, leaving.set) as run.visitor:
                    await visit.script(run.visitor)
            leaving.set()
        trio.lowlevel.remove_instrument(tripwire)
    assert "inside=0 addresses=0 hearing=0" in repr(door)
    return run


def check_traces(world: World) -> None:
    """Nothing is held, and nobody is waited for."""
    services = world.services
    assert (services.limiter.counts.in_flight, services.limiter.counts.queued, world.instance.seats) == (0, 0, 0)
    assert services.byte_budget.held == 0
    assert len(services.underway) == 0
    assert repr(world.channel) == IDLE


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("how", ["cancelled", "client leaves"])
@pytest.mark.parametrize("name", VISITS)
async def test_visit_cut_at_any_step_leaves_nothing(
    name: str, how: HowItEnds, tmp_path: Path, authority: Authority, autojump_clock: MockClock
) -> None:
    """Wherever a connection is cut: no task, no descriptor, no permit, no registration; and it ends at once."""
    visit, before, open_before = VISITS[name], running_tasks(), descriptors()
    steps = 0
    while True:
        steps += 1
        async with open_world() as world:
            world.prepare(visit.answer)
            inside = running_tasks()
            run = await run_once(world, visit, steps, how, tmp_path / "socket", authority)
            await wait_all_tasks_blocked()
            assert running_tasks() == inside
            check_traces(world)
        assert (running_tasks(), descriptors()) == (before, open_before)
        assert run.tripwire is not None
        if run.tripwire.at is None:
            break
        assert run.ended == run.tripwire.at, "whatever ends a connection ends it at once"
    assert run.visitor is not None
    for words in visit.heard:
        assert words in run.visitor.said
    assert steps > 30
