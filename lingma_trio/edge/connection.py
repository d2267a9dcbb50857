"""One client's connection: reads what it says, starts its requests, and ends what ran for it when it leaves.

One task reads for as long as the connection lives, beside the one that answers. So the end of what the client says is
heard at once, and cancels the request.

One task, and one scope, answers all requests of the connection, one after another: both are dear to make, and whatever
ends a request before its end ends the connection.
"""

from __future__ import annotations

import math
import ssl
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
import trio
from starlette.types import ASGIApp

from lingma_trio.alarm import Alarm
from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.client_stream import RECEIVE, ClientStream
from lingma_trio.edge.cycle import Clock, Cycle, scope_of
from lingma_trio.edge.head import Unacceptable
from lingma_trio.edge.inbound import Inbound
from lingma_trio.edge.outbound import whole

MOST_WAITING: Final = 256 * 1024
"""Bytes of a body that wait for the app; more is read once it has taken some."""

MOST_AHEAD: Final = 64 * 1024
"""Bytes that may come behind a request while it is answered. Who sends more hides its own departure behind them."""

LINGER: Final = 2.0
"""Seconds for which what a client still says is read and dropped, so that it can read what it was told last."""

log = structlog.get_logger("lingma_trio.edge")


@dataclass
class House:
    """What all connections share. `closing` says that no connection is to serve another request; who could not be told
    so with its response has `leave`, in seconds, for a last one.
    """

    app: ASGIApp
    bounds: Bounds
    tls: ssl.SSLContext | None = None
    state: dict[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    closing: bool = False
    leave: float = 0.0

    @property
    def scheme(self) -> str:
        """`https` or `http`."""
        return "https" if self.tls is not None else "http"


class Connection:
    """One accepted socket, which this owns and closes."""

    def __init__(self, socket: trio.socket.SocketType, house: House, *, client: Any, server: Any) -> None:  # noqa: ANN401 - ASGI's
        self._house = house
        self._client = client
        self._server = server
        self._socket = ClientStream(socket, house.bounds)
        self._stream: ClientStream | trio.SSLStream[ClientStream] = self._socket
        if house.tls is not None:
            self._stream = trio.SSLStream(self._socket, house.tls, server_side=True, https_compatible=True)
        self._inbound = Inbound(house.bounds)
        self._cycle: Cycle | None = None
        self._answering = trio.CancelScope()  # of all requests: one that is cut off is the last
        self._asked = Alarm()  # for who answers, while there is no request
        self._answers = False  # whether that task is there
        self._context = copy_context()  # that each request has a copy of
        self._patience = trio.CancelScope()  # of hearing the client
        self._dismissed = False  # by somebody's word, maybe before it was heard at all
        self._due = math.inf  # the end of what the client is waited for
        self._armed = math.inf  # the deadline of `_patience`, which may be an earlier one
        self._head_began: float | None = None
        self._room: trio.Event | None = None
        self._ended = False
        self._nursery: trio.Nursery

    def __repr__(self) -> str:
        return f"<Connection {self._client} {self._cycle}>"

    async def run(self) -> None:
        """Serve the connection until it ends. A fault of its own, or of the app, ends nothing else; cancelling resets
        it.
        """
        try:
            async with trio.open_nursery() as self._nursery:
                await self._listen()
                if self._cycle is not None:
                    self._cycle.outbound.keeps = False
                    self._cycle.depart("client disconnected")
                else:
                    self._answering.cancel("the connection has ended")
        except* Exception as group:  # the edge: a bug costs one connection and never the server
            log.exception("connection_failed", exc_info=group)
            self._socket.reset()
        finally:
            self._socket.close()

    def retire(self, *, idle: bool = True) -> None:
        """Serve no further request: end with the response, or now where it is `idle`. It is not, where a head has
        begun, or the client has said something that is not read yet.
        """
        if self._cycle is not None:
            if not (self._cycle.outbound.begun and self._house.leave):
                self._cycle.outbound.keeps = False
        elif idle and not self._inbound.ahead and not self._socket.unread:
            self._dismiss("the server is stopping")

    def end(self, reason: str) -> None:
        """End the request that is being answered, if there is one, and the connection with it."""
        if self._cycle is None:
            self._dismiss(reason)
        else:
            self._cycle.outbound.keeps = False
            self._answering.cancel(reason)

    async def _listen(self) -> None:
        """Hear the client until it has ended, or what it was waited for is due.

        What is due moves on with each request, and a scope's deadline is dear to move: the one there is may end too
        early, and then another takes its place.
        """
        bounds, now = self._house.bounds, trio.current_time()
        secured = isinstance(self._stream, trio.SSLStream)
        if secured:
            self._head_began = now
        self._due = now + (bounds.head_seconds if secured else bounds.idle_seconds)
        while not self._dismissed:
            self._armed = self._due
            with trio.CancelScope(deadline=self._due) as self._patience:
                await self._read()
            if not self._patience.cancelled_caught or trio.current_time() >= self._due:
                return

    def _dismiss(self, reason: str) -> None:
        """Hear the client no longer."""
        self._dismissed = True
        self._patience.cancel(reason)

    def _wait_until(self, due: float) -> None:
        self._due = due
        if due < self._armed:
            self._armed = self._patience.deadline = due

    async def _read(self) -> None:
        try:
            if isinstance(self._stream, trio.SSLStream):
                await self._stream.do_handshake()  # which is done once, whoever asks
            while data := await self._stream.receive_some(RECEIVE):
                full = self._hear(bytes(data))
                del data  # nobody's by now, and the next may be long in coming
                if full:
                    await self._drain()
        except trio.TooSlowError:  # TLS answers some of what it reads
            if self._cycle is not None:
                self._cycle.depart("the client took too little of its answer")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def _drain(self) -> None:
        """Wait until the app has taken what waits for it, or the request has ended."""
        self._room = trio.Event()
        await self._room.wait()

    def _hear(self, data: bytes) -> bool:
        """Take what came; returns whether so much waits that no more should be read."""
        if self._ended:
            return False
        cycle, inbound = self._cycle, self._inbound
        try:
            inbound.feed(data)
            if cycle is None:
                self._begin()
        except Unacceptable as refusal:
            self._refuse(refusal)
            return False
        if cycle is not None:
            cycle.arrive()
            if inbound.ahead > MOST_AHEAD:
                cycle.depart("the client sent too much behind its request")
        return inbound.waiting > MOST_WAITING

    def _begin(self) -> None:
        """Start the next request, where its head is whole; otherwise see that it will be in time."""
        head = self._inbound.next_head()
        if head is None:
            if self._inbound.ahead and self._head_began is None:
                self._head_began = trio.current_time()
            if self._head_began is not None:
                self._wait_until(self._head_began + self._house.bounds.head_seconds)
            return
        self._head_began = None
        self._due = math.inf
        self._cycle = cycle = Cycle(
            head,
            self._inbound,
            self._house.clock,
            self._answering,
            write=self._write,
            write_now=self._write_now,
            taken=self._taken,
        )
        if self._house.closing:
            cycle.outbound.keeps = False
        if not self._answers:
            self._answers = True
            self._nursery.start_soon(self._answer, name="request")
        else:
            self._asked.ring()

    async def _answer(self) -> None:
        """Answer each request as it comes, until the connection ends."""
        house = self._house
        with self._answering:
            while (cycle := self._cycle) is not None:
                scope = scope_of(
                    cycle, scheme=house.scheme, client=self._client, server=self._server, state=house.state
                )
                await house.app(scope, cycle.receive, cycle.send)
                self._finish(cycle)
                del cycle, scope  # while nobody asks for anything
                await self._next()
        if self._cycle is not None:  # and was cut off
            self._finish(self._cycle)

    async def _next(self) -> None:
        """Wait for the next request, where another one may come. It has a context of its own from its first step on."""
        if self._ended:
            return
        trio.lowlevel.current_task().context = self._context.copy()
        if self._cycle is None:
            await self._asked.wait()
        else:  # it was there already; a client that says many at once lets others run between two of them
            await trio.lowlevel.checkpoint()

    def _finish(self, cycle: Cycle) -> None:
        """The app is done with the request: go on with the next one, or end the connection."""
        self._cycle = None
        self._taken()
        if self._ended:  # and somebody is saying the last words
            return
        outbound = cycle.outbound
        if outbound.complete and outbound.keeps and self._inbound.complete and not cycle.departed:
            self._inbound.take()
            house = self._house
            self._wait_until(trio.current_time() + (house.leave or house.bounds.idle_seconds))
            if self._inbound.ahead:
                try:
                    self._begin()
                except Unacceptable as refusal:
                    self._refuse(refusal)
        elif not outbound.begun and not cycle.departed:
            self._say(500, "The request was ended before it was answered.")
        else:
            self._hang_up(reset=outbound.cut_unseen)

    def _refuse(self, refusal: Unacceptable) -> None:
        """Say why what came is not served, as far as no response is under way."""
        cycle = self._cycle
        if cycle is None:
            self._say(refusal.status, refusal.sentence)
        elif cycle.outbound.begun:
            cycle.depart("the client broke off its request")
        else:
            self._say(refusal.status, refusal.sentence)
            cycle.depart("the client's request is none")

    def _say(self, status: int, sentence: str) -> None:
        """A response of the edge's own as last words, and the end."""
        self._ended = True
        words = whole(status, sentence, self._house.clock.date())
        self._nursery.start_soon(self._part, words, name="last words")

    async def _part(self, words: bytes) -> None:
        try:
            await self._stream.send_all(words)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            self._socket.reset()
        self._hang_up()

    def _hang_up(self, *, reset: bool = False) -> None:
        """End the connection once the client has had the time to read what it was told, with a reset on demand."""
        self._ended = True
        if reset:
            self._socket.reset_at_end()
        else:
            self._socket.say_no_more()
        self._wait_until(min(self._due, trio.current_time() + LINGER))

    async def _write(self, data: bytes) -> None:
        """Write for the request; a client that is gone, or takes nothing, ends it."""
        cycle = self._cycle
        if cycle is None or cycle.departed:
            await trio.lowlevel.checkpoint()
            return
        try:
            await self._stream.send_all(data)
        except trio.TooSlowError:
            cycle.depart("the client took too little of its answer")
            await trio.lowlevel.checkpoint()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            cycle.depart("client disconnected")
            await trio.lowlevel.checkpoint()

    def _write_now(self, data: bytes) -> bytes:
        """Write for the request what the client takes at once; returns what `_write` has to see to."""
        cycle = self._cycle
        if cycle is None or cycle.departed or self._stream is not self._socket:
            return data
        try:
            return self._socket.write_now(data)
        except trio.TooSlowError:
            cycle.depart("the client took too little of its answer")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            cycle.depart("client disconnected")
        return data

    def _taken(self) -> None:
        """There is room for more of the body."""
        if self._room is not None:
            self._room.set()
            self._room = None
