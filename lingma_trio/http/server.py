"""One Hypercorn in one process, with a socket and signals of our own.

The first SIGTERM or SIGINT stops accepting and lets streams finish; the second ends everything at once. SIGHUP reads
the keys again.
"""

from __future__ import annotations

import logging
import os
import socket as sockets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from signal import SIGHUP, SIGINT, SIGTERM

import structlog
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.types import ASGIApp

from lingma_trio.http.guard import install_guard
from lingma_trio.systemd import ServiceManager

BACKLOG = 1024  # connections the kernel holds while the loop is busy; the default of 100 loses some of a burst
IDLE_SECONDS = 15.0  # an idle connection's life; longer than the 5 s after which clients drop theirs
LAST_WORDS = 1.0  # seconds of the grace that are kept for telling clients that their stream ends here
GOODBYE = 15.0  # seconds that ending every Lingma may take after the grace

log = structlog.get_logger("lingma_trio.server")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, and for how long streams may finish after the first signal, in seconds.

    `inherited` are sockets that listen already and are closed when the server ends; with any, `host` and `port` count
    for nothing.
    """

    host: str
    port: int
    grace: float
    stall: float
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

    Raises OSError when the address cannot be had. Cancelling ends it like a signal whose grace is over.
    """
    manager = manager or ServiceManager()
    install_guard(listening.stall)
    stop = trio.Event()
    with _open_listeners(listening) as listeners:
        async with trio.open_nursery() as nursery:
            signals = partial(_watch_signals, stop, listening.grace, drain, reload, manager)
            await nursery.start(signals, name="signal watch")
            shutdown_trigger = partial(_closing_time, stop, listeners)
            config = _config(listeners, listening.grace)
            async with trio.open_nursery() as server:
                hypercorn = partial(serve, app, config, shutdown_trigger=shutdown_trigger, mode="asgi")  # type: ignore[arg-type]
                places = await server.start(hypercorn, name="Hypercorn")
                await manager.tell_ready(f"serving on {', '.join(places)}")
                if welcome is not None:
                    nursery.start_soon(welcome, places, name="welcome")
            nursery.cancel_scope.cancel("the server has stopped")


@contextmanager
def _open_listeners(listening: Listening) -> Iterator[list[sockets.socket]]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket) for socket in listening.inherited]
        for listener in listeners:
            _set_up(listener, listening.stall)
        yield listeners or [stack.enter_context(open_listener(listening))]


def open_listener(listening: Listening) -> sockets.socket:
    """The listening socket.

    What it accepts gives up on a peer that acknowledges nothing for `stall` seconds, until the guard, which can tell
    slow from stalled, takes over.
    """
    family, kind, protocol, _, address = sockets.getaddrinfo(
        listening.host, listening.port, type=sockets.SOCK_STREAM, flags=sockets.AI_PASSIVE
    )[0]
    listener = sockets.socket(family, kind, protocol)
    listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
    _set_up(listener, listening.stall)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _set_up(listener: sockets.socket, stall: float) -> None:
    listener.setblocking(False)
    if hasattr(sockets, "TCP_USER_TIMEOUT"):
        listener.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT, round(stall * 1000))


async def _closing_time(stop: trio.Event, listeners: list[sockets.socket]) -> None:
    """Wait for the signal, then close our handles. Once Hypercorn's copies are closed, too, newcomers are refused; at a
    socket that systemd holds as well they wait for the next start.
    """
    await stop.wait()
    for listener in listeners:
        listener.close()


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


def _config(listeners: list[sockets.socket], grace: float) -> Config:
    config = Config()
    config.bind = [f"fd://{os.dup(listener.fileno())}" for listener in listeners]
    config.graceful_timeout = grace
    config.keep_alive_timeout = IDLE_SECONDS
    config.backlog = BACKLOG
    config.alpn_protocols = ["http/1.1"]
    config.include_server_header = False
    config.errorlog = logging.getLogger("hypercorn.error")
    return config
