"""The server: its sockets, its signals, and the lives of the app and of those who are served.

The first SIGTERM or SIGINT stops accepting and lets streams finish; the second ends everything at once. SIGHUP reads
the keys and the certificate again.
"""

from __future__ import annotations

import logging
import os
import socket as sockets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from signal import SIGHUP, SIGINT, SIGTERM

import structlog
import trio
from starlette.types import ASGIApp

from lingma_trio.edge.addresses import open_listeners, place_of
from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.connection import House
from lingma_trio.edge.lifespan import Lifespan
from lingma_trio.edge.listener import Door
from lingma_trio.edge.tls import Certificate
from lingma_trio.systemd import ServiceManager

LAST_WORDS = 1.0  # seconds of the grace that are kept for telling clients that their stream ends here
GOODBYE = 15.0  # seconds that ending every Lingma may take after the grace

log = structlog.get_logger("lingma_trio.server")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, and for how long streams may finish after the first signal, in seconds.

    `host` is a name, an address, or `unix:` and a path; at `::` IPv4 is heard as well. `inherited` are sockets that
    listen already and are closed when the server ends; with any, `host` and `port` count for nothing.
    """

    host: str
    port: int
    grace: float
    bounds: Bounds = field(default_factory=Bounds)
    certificate: Certificate | None = None
    inherited: Sequence[sockets.socket] = ()


async def serve_app(
    app: ASGIApp,
    listening: Listening,
    *,
    drain: Callable[[float], None],
    reload: Callable[[], None],
    manager: ServiceManager | None = None,
    welcome: Callable[[Sequence[str]], Awaitable[None]] | None = None,
) -> None:
    """Serve until a signal. `drain` is told how long requests may go on once one has come, `manager` the same, and
    before that when serving has begun; SIGHUP is for `reload`. `welcome` is run with the addresses once serving has
    begun, and cancelled when it ends.

    Raises OSError when the address cannot be had, `LifespanFailed` for an app that does not start or fails. Cancelling
    ends it like a signal whose grace is over.
    """
    manager = manager or ServiceManager()
    stop = trio.Event()
    certificate = listening.certificate
    with open_listeners(listening.host, listening.port, listening.inherited) as listeners:
        house = House(app, listening.bounds, tls=None if certificate is None else certificate.context)
        places = [place_of(listener, house.scheme) for listener in listeners]
        lifespan = Lifespan(app, house.state)
        renew = partial(_renew, reload, certificate)
        async with trio.open_nursery() as nursery:
            signals = partial(_watch_signals, stop, listening.grace, drain, renew, manager)
            await nursery.start(signals, name="signal watch")
            async with trio.open_nursery() as living:
                await living.start(lifespan.run, name="lifespan")
                logging.getLogger("lingma_trio.server").info("Running on %s (CTRL + C to quit)", ", ".join(places))
                await manager.tell_ready(f"serving on {', '.join(places)}")
                if welcome is not None:
                    nursery.start_soon(welcome, places, name="welcome")
                await _let_in(house, listeners, places, stop, listening.grace)
                lifespan.end()
            nursery.cancel_scope.cancel("the server has stopped")


async def _let_in(
    house: House, listeners: Sequence[sockets.socket], places: Sequence[str], stop: trio.Event, grace: float
) -> None:
    """Serve whoever comes until `stop`, and those who are in for `grace` seconds more."""
    door = Door(house)
    async with trio.open_nursery() as nursery:
        heard = [trio.socket.from_stdlib_socket(listener) for listener in listeners]
        for socket, place in zip(heard, places, strict=True):
            nursery.start_soon(door.serve, socket, name=f"listener {place}")
        await stop.wait()
        # At a socket that systemd holds as well newcomers wait for the next start.
        for socket in heard:
            socket.close()
        await door.close(grace)
        door.end("the grace is over")
        nursery.cancel_scope.deadline = trio.current_time() + LAST_WORDS


def _renew(reload: Callable[[], None], certificate: Certificate | None) -> None:
    reload()
    if certificate is not None:
        certificate.reload()


async def _watch_signals(
    stop: trio.Event,
    grace: float,
    drain: Callable[[float], None],
    reload: Callable[[], None],
    manager: ServiceManager,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    with trio.open_signal_receiver(SIGTERM, SIGINT, SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number == SIGHUP:
                reload()
                continue
            if stop.is_set():
                log.warning("stopping_now", signal=number)
                os._exit(128 + number)  # the keepers see their pipes close and leave nothing behind
            log.info("stopping", signal=number, grace_seconds=grace)
            drain(max(grace - LAST_WORDS, grace / 2))
            stop.set()
            await manager.tell_stopping(grace + GOODBYE)
