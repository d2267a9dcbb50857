"""A connection that is being served, on a real pair of sockets, with an app of the test's own."""

from __future__ import annotations

import socket as sockets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

import trio
from starlette.types import Message

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.connection import Connection, House

PATIENCE = 30.0
"""Seconds after which what should happen at once has failed, also on a machine that does much else: more than any bound
that a test sets, and less than those that it does not.
"""
PACES = (0.3, 3.0, 30.0)
GET = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"
LARGE = 16 * 1024 * 1024
"""Bytes that no kernel takes at once."""

MARK: ContextVar[str] = ContextVar("MARK", default="")
"""That each request finds as the connection left it, and leaves its path in."""

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class App:
    """Answers by path: at once, never, in pieces, with a lot, with what was sent, or not at all."""

    def __init__(self) -> None:
        self.asked = trio.Event()
        self.ended: list[str] = []
        self.scopes: list[Message] = []
        self.tasks: list[trio.lowlevel.Task] = []
        self.marks: list[str] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, and note how it ended."""
        self.scopes.append(scope)
        self.tasks.append(trio.lowlevel.current_task())
        self.marks.append(MARK.get())
        MARK.set(scope["path"])
        self.asked.set()
        end = "cancelled"
        try:
            await self._serve(scope["path"], receive, send)
            end = "served"
        except ZeroDivisionError:
            end = "failed"
            raise
        finally:
            self.ended.append(end)

    async def _serve(self, path: str, receive: Receive, send: Send) -> None:
        if path == "/never":
            await trio.sleep_forever()
        if path == "/fails":
            raise ZeroDivisionError
        if path == "/unanswered":
            return
        if path == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            await trio.sleep_forever()
        body = bytes(LARGE) if path == "/large" else b"x"
        if path == "/echo":
            body = await read(receive)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


async def at_some_pace(scene: Callable[[float], Awaitable[None]]) -> None:
    """Play a scene whose bounds are of about so many seconds as it is given: of few, and where it fails, since a busy
    machine may not have kept up with them, of more.
    """
    for seconds in PACES[:-1]:
        with suppress(Exception):
            await scene(seconds)
            return
    await scene(PACES[-1])


async def read(receive: Receive) -> bytes:
    """The whole body."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"gone"
        body += message["body"]
        more = message["more_body"]
    return body


@dataclass
class Served:
    """The client's end of a connection, the app that it talks to, and the event of the connection's end."""

    client: trio.SocketStream
    connection: Connection
    house: House
    app: App
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)

    async def hear(self, until: bytes = b"") -> bytes:
        """What the server says: up to `until`, or until it hangs up in whatever way."""
        said = b""
        try:
            async for piece in self.client:
                said += piece
                if until and until in said:
                    break
        except trio.BrokenResourceError:
            return said
        return said


@asynccontextmanager
async def served(
    bounds: Bounds | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    before: Callable[[Connection], None] | None = None,
) -> AsyncIterator[Served]:
    """Connect, be served, and wait for the end of that. `before` is called with the connection before it runs."""
    app = App()
    house = House(app, bounds or Bounds(), tls=tls)
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        client = await trio.open_tcp_stream("127.0.0.1", listener.getsockname()[1])
        accepted, peer = listener.accept()
    accepted.setblocking(False)
    connection = Connection(trio.socket.from_stdlib_socket(accepted), house, client=peer, server=("127.0.0.1", 1))
    being = Served(client, connection, house, app)
    if before is not None:
        before(connection)

    async def serve(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        with being.scope:
            await connection.run()
        being.ended.set()

    async with client, trio.open_nursery() as nursery:
        await nursery.start(serve)
        with trio.fail_after(4 * PATIENCE):
            yield being
            await client.aclose()
            await being.ended.wait()
