"""Keeps one connection's trouble from ending or wedging the whole server.

Hypercorn 0.18 on Trio lets any exception of one connection's protocol code end the server, speaks HTTP/2 on the
plaintext port where a few short inputs cause such an exception, and shields its writes without a deadline, so that a
client that stops reading holds its task for ever and a shutdown with it. The classes here take the place of
Hypercorn's own; they reach into names that are not public, hence the list of versions they are known to fit.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import TypeAlias

import hypercorn.protocol
import hypercorn.trio.run
import structlog
import trio
from h11 import Request
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import EventWrapper
from hypercorn.typing import AppWrapper, LifespanState

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.client_stream import ClientStream
from lingma_trio.edge.connection import MOST_AHEAD
from lingma_trio.edge.head import Unacceptable, judged

FITTING = ("0.18.0",)
HYPERCORN = version("hypercorn")
WORKERS = "hypercorn_workers"
"""Key of the lifespan state under which the number of Hypercorn's workers is told."""

Stream: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]

log = structlog.get_logger("lingma_trio.guard")


class Refused(Exception):
    """What a client said is no request that is served; it has been told, and its connection ends."""


class Departed(Exception):
    """A client left, or said too much, behind a request that is being answered; there is nothing more to read."""


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 and nothing else."""

    async def _create_stream(self, request: Request) -> None:
        """Leave an offer to go on as a WebSocket to the app, which declines it like any request."""
        fields = [(name, value) for name, value in request.headers if name != b"connection"]
        plain = Request(method=request.method, target=request.target, headers=fields, http_version=request.http_version)
        await super()._create_stream(plain if len(fields) < len(list(request.headers)) else request)

    async def _check_protocol(self, event: Request) -> None:
        """Refuse what the edge refuses, HTTP/2 among it; an offer to upgrade is left alone, which declines it."""
        try:
            judged(event)
            status = 0
        except Unacceptable as refusal:
            status = refusal.status
        if status:
            await self._send_error_response(status)
            await self.send(Closed())
            raise Refused


class Idleness:
    """Since when a connection has been idle. Stands in for Hypercorn's own timer, a new task for every request."""

    def __init__(self) -> None:
        self.since = math.inf
        self._watch: trio.CancelScope | None = None

    def __repr__(self) -> str:
        return f"<Idleness since={self.since}>"

    def left(self, seconds: float) -> float:
        """Seconds for which an idle connection may go on waiting; all of `seconds` for one that is not idle."""
        now = trio.current_time()
        return min(self.since, now) + seconds - now

    async def restart(self, task_group: TaskGroup, action: Callable[[], Awaitable[None]]) -> None:
        """The connection is idle from here on; the first time `action` is started, which is to watch it."""
        self.since = trio.current_time()
        if self._watch is None:
            self._watch = trio.CancelScope()
            task_group.spawn(self._run, self._watch, action)

    async def stop(self) -> None:
        """The connection is idle no longer."""
        self.since = math.inf

    def end(self) -> None:
        """Nobody has to watch any more."""
        if self._watch is not None:
            self._watch.cancel("the client has nothing more to say")

    async def _run(self, watch: trio.CancelScope, action: Callable[[], Awaitable[None]]) -> None:
        trio.lowlevel.current_task().name = "idle watch"  # Hypercorn starts it and takes no name
        with watch:
            await action()


class Ahead(EventWrapper):
    """The event for which Hypercorn's reader waits while a request is answered that has bytes behind it: that there is
    an answer. The reader runs `listen` meanwhile, so that it hears the client leave.
    """

    def __init__(self, listen: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._listen = listen
        self._listening = trio.CancelScope()

    async def set(self) -> None:
        """There is an answer."""
        await super().set()
        self._listening.cancel("the request is answered")

    async def wait(self) -> None:
        """Listen until there is."""
        with trio.CancelScope() as self._listening:
            if not self.is_set():
                await self._listen()


class GuardedServer(TCPServer):
    """One connection. Its faults end here; its writes have a bound and can be cancelled."""

    stall_seconds = 20.0
    stream: Stream  # type: ignore[assignment] # Hypercorn's own annotation leaves out the plaintext one
    _outlet: ClientStream
    _idleness: Idleness

    async def run(self) -> None:
        """Serve the connection. Only cancellation leaves this."""
        socket = self.stream.transport_stream.socket if isinstance(self.stream, trio.SSLStream) else self.stream.socket
        self._outlet = ClientStream(socket, Bounds(stall_seconds=self.stall_seconds, min_rate=0))
        self.idle_task = self._idleness = Idleness()  # type: ignore[assignment] # stands in for it
        try:
            await super().run()
        except* Refused:
            log.debug("request_refused")
        except* Exception as group:  # the edge: a bug costs one connection and never the server
            log.exception("connection_failed", exc_info=group)
            self._abort()

    async def protocol_send(self, event: Event) -> None:
        """Write `event`. A write that is cancelled, or that stalls, resets the connection: half a message is none.

        Waits for nothing but room: what the kernel takes at once costs no turn of the scheduler, neither for the lock
        nor for the socket. So it is no checkpoint for whoever sends, who waits for what to send next.
        """
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        try:
            self.send_lock.acquire_nowait()
        except trio.WouldBlock:
            await self.send_lock.acquire()
        complete = False
        try:
            await self._write(event.data)
            complete = True
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            complete = False
        finally:
            if not complete:
                self._abort()
            self.send_lock.release()
        if not complete:
            await self.protocol.handle(Closed())

    async def _read_data(self) -> None:
        """Read until the client has nothing more to say, after which the connection waits for no further request."""
        if isinstance(self.protocol.protocol, GuardedProtocol):
            self.protocol.protocol.can_read = Ahead(self._listen_ahead)
        try:
            await super()._read_data()
        except Departed:
            await self.protocol.handle(Closed())
        self._idleness.end()

    async def _listen_ahead(self) -> None:
        """Keep what comes behind the request that is being answered. Raises `Departed` at the client's end, or at too
        much of it.
        """
        size = 0
        while size <= MOST_AHEAD:
            try:
                data = await self.stream.receive_some(MOST_AHEAD)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                break
            if not data:
                break
            size += len(data)
            self.protocol.protocol.connection.receive_data(bytes(data))
        raise Departed

    async def _idle_timeout(self) -> None:
        """Close the connection when it has been idle for too long, or is idle when the server stops."""
        while (left := self._idleness.left(self.config.keep_alive_timeout)) > 0:
            with trio.move_on_after(left):
                await self.context.terminated.wait()
                break
        if self._idleness.since < math.inf:
            await self._initiate_server_close()

    async def _write(self, data: bytes) -> None:
        """Write all of `data` to a client that takes at least something every `stall_seconds`."""
        if isinstance(self.stream, trio.SSLStream):
            with trio.fail_after(self.stall_seconds):
                await self.stream.send_all(data)
            return
        await self._outlet.send_all(data)

    def _abort(self) -> None:
        """Reset the connection at once; whoever reads from it learns of it."""
        self._outlet.reset()


class GuardedLifespan(Lifespan):
    """Tells the app how many workers there are, which no server says otherwise."""

    def __init__(self, app: AppWrapper, config: Config, state: LifespanState) -> None:
        super().__init__(app, config, state)
        state[WORKERS] = config.workers


def install_guard(stall_seconds: float, *, found: str = HYPERCORN) -> bool:
    """Put the guard in place for every server of this process; returns whether it fits the Hypercorn `found`."""
    GuardedServer.stall_seconds = stall_seconds
    if found not in FITTING:
        return False
    vars(hypercorn.protocol)["H11Protocol"] = GuardedProtocol
    vars(hypercorn.trio.run)["TCPServer"] = GuardedServer
    vars(hypercorn.trio.run)["Lifespan"] = GuardedLifespan
    return True
