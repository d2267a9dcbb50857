"""The server: its sockets, its signals, and the lives of the app and of those who are served.

The first SIGTERM or SIGINT stops accepting and lets streams finish; the second ends everything at once. SIGHUP reads
the keys and the certificate again. SIGUSR2 has another process take over, to which `succession` hands the sockets.
"""

from __future__ import annotations

import logging
import os
import socket as sockets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR2

import structlog
import trio
from starlette.types import ASGIApp

from lingma_trio.edge.addresses import Listeners, open_listeners, place_of
from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.connection import House
from lingma_trio.edge.handover import Predecessor
from lingma_trio.edge.lifespan import Lifespan
from lingma_trio.edge.listener import Door
from lingma_trio.edge.succession import Succession
from lingma_trio.edge.tls import Certificate
from lingma_trio.systemd import ServiceManager

LAST_WORDS = 1.0  # seconds of the grace that are kept for telling clients that their stream ends here
GOODBYE = 15.0  # seconds that ending every Lingma may take after the grace
LEAVE = 1.0
"""Seconds after a takeover in which a request on an idle connection still is answered here, so that none gets lost."""

log = structlog.get_logger("lingma_trio.server")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, and for how long streams may finish after the first signal, in seconds.

    `host` is a name, an address, or `unix:` and a path; at `::` IPv4 is heard as well. `inherited` are sockets that
    listen already and are closed when the server ends; with any, `host` and `port` count for nothing. With a
    `predecessor` they are its own until it lets go. At the path `door` another process may ask for them in its turn.
    """

    host: str
    port: int
    grace: float
    bounds: Bounds = field(default_factory=Bounds)
    certificate: Certificate | None = None
    inherited: Sequence[sockets.socket] = ()
    predecessor: Predecessor | None = None
    door: Path | None = None


async def serve_app(
    app: ASGIApp,
    listening: Listening,
    *,
    drain: Callable[[float], None],
    reload: Callable[[], None],
    manager: ServiceManager | None = None,
    welcome: Callable[[Sequence[str]], Awaitable[None]] | None = None,
) -> None:
    """Serve until a signal, or until another process has taken over. `drain` is told how long requests may go on once
    that has come, `manager` the same, and before that when serving has begun; SIGHUP is for `reload`. `welcome` is run
    with the addresses once serving has begun, and cancelled when it ends or another one has taken over.

    Raises OSError when the address cannot be had, `LifespanFailed` for an app that does not start or fails,
    `HandoverFailed` where the predecessor goes on by itself. Cancelling ends it like a signal whose grace is over.
    """
    with open_listeners(listening.host, listening.port, listening.inherited) as listeners:
        server = _Server(app, listening, listeners, drain, reload, manager or ServiceManager())
        with server.succession:
            await server.run(welcome)


class _Server:
    """One server's life. `succession` says who follows it."""

    def __init__(
        self,
        app: ASGIApp,
        listening: Listening,
        listeners: Listeners,
        drain: Callable[[float], None],
        reload: Callable[[], None],
        manager: ServiceManager,
    ) -> None:
        certificate = listening.certificate
        self._house = House(app, listening.bounds, tls=None if certificate is None else certificate.context)
        self._listening = listening
        self._listeners = listeners.sockets
        self._places = [place_of(listener, self._house.scheme) for listener in listeners.sockets]
        self._drain = drain
        self._reload = reload
        self._manager = manager
        self._stop = trio.Event()
        self._leave = 0.0
        self._found = trio.CancelScope()
        self._lost = trio.Event()
        self.succession = Succession(
            listeners, self._resign, predecessor=listening.predecessor, supervised=bool(manager.address)
        )

    async def run(self, welcome: Callable[[Sequence[str]], Awaitable[None]] | None) -> None:
        """Live until the end."""
        lifespan = Lifespan(self._house.app, self._house.state)
        async with trio.open_nursery() as nursery:
            await nursery.start(self._watch_signals, nursery, name="signal watch")
            async with trio.open_nursery() as living:
                await living.start(lifespan.run, name="lifespan")
                if self._listening.predecessor is not None:
                    await self._succeed(self._listening.predecessor)
                if not self._stop.is_set():
                    places = ", ".join(self._places)
                    logging.getLogger("lingma_trio.server").info("Running on %s (CTRL + C to quit)", places)
                    await self._manager.tell_ready(f"serving on {places}")
                    nursery.start_soon(self._be_found, welcome, nursery, name="door")
                    self.succession.allow()
                    await self._let_in()
                lifespan.end()
            nursery.cancel_scope.cancel("the server has stopped")

    async def _succeed(self, predecessor: Predecessor) -> None:
        """Have the predecessor let go, unless this server is to stop before it does."""
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                await self._stop.wait()
                nursery.cancel_scope.cancel("the server is stopping")

            nursery.start_soon(give_up, name="stop watch")
            await predecessor.succeed()
            nursery.cancel_scope.cancel("the predecessor has let go")

    async def _be_found(
        self, welcome: Callable[[Sequence[str]], Awaitable[None]] | None, nursery: trio.Nursery
    ) -> None:
        """What is there only as long as this is the server that is found, and asked for its sockets."""
        try:
            with self._found:
                async with trio.open_nursery() as being:
                    if welcome is not None:
                        being.start_soon(welcome, self._places, name="welcome")
                    if self._listening.door is not None:
                        await self.succession.hear_askers(self._listening.door, nursery)
        finally:
            self._lost.set()

    async def _let_in(self) -> None:
        """Serve whoever comes until the stop, and those who are in for the grace more."""
        door = Door(self._house)
        async with trio.open_nursery() as nursery:
            heard = [trio.socket.from_stdlib_socket(listener) for listener in self._listeners]
            for socket, place in zip(heard, self._places, strict=True):
                nursery.start_soon(door.serve, socket, name=f"listener {place}")
            await self._stop.wait()
            # Others may hold the sockets as well, systemd or a successor: there newcomers wait for whoever is next.
            for socket in heard:
                socket.close()
            await door.close(self._listening.grace, leave=self._leave)
            door.end("the grace is over")
            nursery.cancel_scope.deadline = trio.current_time() + LAST_WORDS

    def _end(self, *, leave: float = 0.0) -> None:
        """Begin the end: let requests finish within the grace. Idle connections are kept for `leave` seconds."""
        grace = self._listening.grace
        self._leave = leave
        self._drain(max(grace - LAST_WORDS, grace / 2))
        self._stop.set()

    async def _resign(self, successor: int) -> None:
        """Let the process `successor` be the one that serves, is found, and is watched over by systemd."""
        self._end(leave=LEAVE)
        self._found.cancel("another process has taken over")
        await self._lost.wait()
        await self._manager.tell_successor(successor)

    async def _watch_signals(self, nursery: trio.Nursery, *, task_status: trio.TaskStatus[None]) -> None:
        grace = self._listening.grace
        with trio.open_signal_receiver(SIGTERM, SIGINT, SIGHUP, SIGUSR2) as signals:
            task_status.started()
            async for number in signals:
                if number == SIGHUP:
                    self._renew()
                elif number == SIGUSR2:
                    nursery.start_soon(self.succession.replace, name="takeover")
                elif self._stop.is_set():
                    log.warning("stopping_now", signal=number)
                    os._exit(128 + number)  # the keepers see their pipes close and leave nothing behind
                else:
                    log.info("stopping", signal=number, grace_seconds=grace)
                    self.succession.refuse("the gateway is being stopped")
                    self._end()
                    await self._manager.tell_stopping(grace + GOODBYE)

    def _renew(self) -> None:
        self._reload()
        if self._listening.certificate is not None:
            self._listening.certificate.reload()
            self._house.tls = self._listening.certificate.context
