"""One Hypercorn in one process, with a socket and signals of our own.

The first SIGTERM or SIGINT stops accepting and lets streams finish; the second ends everything at once.
"""

from __future__ import annotations

import logging
import os
import socket as sockets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from signal import SIGINT, SIGTERM

import structlog
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.types import ASGIApp

from lingma_trio.http.guard import install_guard

BACKLOG = 1024  # connections the kernel holds while the loop is busy; the default of 100 loses some of a burst
IDLE_SECONDS = 15.0  # an idle connection's life; longer than the 5 s after which clients drop theirs
LAST_WORDS = 1.0  # seconds of the grace that are kept for telling clients that their stream ends here

log = structlog.get_logger("lingma_trio.server")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, and for how long streams may finish after the first signal, in seconds."""

    host: str
    port: int
    grace: float
    stall: float


async def serve_app(app: ASGIApp, listening: Listening, *, drain: Callable[[float], None]) -> None:
    """Serve until a signal. `drain` is told how long requests may go on once one has come.

    Raises OSError when the address cannot be had. Cancelling ends it like a signal whose grace is over.
    """
    install_guard(listening.stall)
    stop = trio.Event()
    with open_listener(listening) as listener:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(_watch_signals, stop, listening.grace, drain))
            shutdown_trigger = partial(_closing_time, stop, listener)
            await serve(app, _config(listener, listening.grace), shutdown_trigger=shutdown_trigger, mode="asgi")  # type: ignore[arg-type]
            nursery.cancel_scope.cancel("the server has stopped")


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
    if hasattr(sockets, "TCP_USER_TIMEOUT"):
        listener.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT, round(listening.stall * 1000))
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


async def _closing_time(stop: trio.Event, listener: sockets.socket) -> None:
    """Wait for the signal, then close our handle: newcomers are refused once Hypercorn's copy is closed, too."""
    await stop.wait()
    listener.close()


async def _watch_signals(
    stop: trio.Event, grace: float, drain: Callable[[float], None], *, task_status: trio.TaskStatus[None]
) -> None:
    with trio.open_signal_receiver(SIGTERM, SIGINT) as signals:
        task_status.started()
        async for number in signals:
            if stop.is_set():
                log.warning("stopping_now", signal=number)
                os._exit(128 + number)  # the keepers see their pipes close and leave nothing behind
            log.info("stopping", signal=number, grace_seconds=grace)
            drain(max(grace - LAST_WORDS, grace / 2))
            stop.set()


def _config(listener: sockets.socket, grace: float) -> Config:
    config = Config()
    config.bind = [f"fd://{os.dup(listener.fileno())}"]
    config.graceful_timeout = grace
    config.keep_alive_timeout = IDLE_SECONDS
    config.backlog = BACKLOG
    config.alpn_protocols = ["http/1.1"]
    config.include_server_header = False
    config.errorlog = logging.getLogger("hypercorn.error")
    return config
