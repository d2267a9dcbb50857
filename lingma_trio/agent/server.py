"""An agent's sockets and signals, and how it ends.

The first SIGTERM or SIGINT begins no further turn and lets those under way finish; the second ends everything at once.
SIGHUP reads the certificates again.
"""

from __future__ import annotations

import logging
import os
import socket as sockets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from signal import SIGHUP, SIGINT, SIGTERM

import structlog
import trio

from lingma_trio.agent.hosted import Hosted
from lingma_trio.agent.listener import Listener
from lingma_trio.agent.opening import open_agent
from lingma_trio.agent.pages import Pages
from lingma_trio.agent.refusals import Refusals
from lingma_trio.config import Settings
from lingma_trio.edge.addresses import open_listeners, place_of
from lingma_trio.edge.tls import Certificate
from lingma_trio.logs import Redactor
from lingma_trio.systemd import ServiceManager

GOODBYE = 15.0  # seconds that ending every Lingma may take after the grace

log = structlog.get_logger("lingma_trio.agent")


@dataclass(frozen=True, slots=True)
class Door:
    """Sockets that listen, and what is served to who comes in. With a `certificate` it speaks TLS."""

    listeners: Sequence[sockets.socket]
    listener: Listener
    certificate: Certificate | None = None

    @property
    def places(self) -> str:
        """Where it is, as addresses to be read."""
        scheme = "ws" if self.certificate is None else "wss"
        return ", ".join(place_of(socket, scheme) for socket in self.listeners)

    async def serve(self, nursery: trio.Nursery) -> None:
        """Let gateways in until cancelled; those that are in live in `nursery`."""
        heard = [trio.SocketListener(trio.socket.from_stdlib_socket(socket)) for socket in self.listeners]
        await trio.serve_listeners(self._welcome, heard, handler_nursery=nursery)

    async def _welcome(self, stream: trio.SocketStream) -> None:
        who = _name_of(stream)
        try:
            if self.certificate is None:
                await self.listener.serve(stream, who)
            else:
                self.certificate.renew()
                tls = trio.SSLStream(stream, self.certificate.context, server_side=True, https_compatible=True)
                await self.listener.serve(tls, who)
        except* Exception as group:  # the edge: a bug costs one connection and never the agent
            log.exception("connection_failed", who=who, exc_info=group)


async def serve_agent(
    settings: Settings,
    *,
    certificate: Certificate | None = None,
    inherited: Sequence[sockets.socket] = (),
    manager: ServiceManager | None = None,
) -> None:
    """Serve until a signal. `inherited` are sockets that listen already; with any, HOST and PORT count for nothing.

    Raises OSError when an address cannot be had, which names the port for probes where it is that, and what
    `open_agent` raises.
    """
    manager = manager or ServiceManager()
    with ExitStack() as stack:
        main = stack.enter_context(open_listeners(settings.host, settings.port, inherited)).sockets
        probes: Sequence[sockets.socket] = ()
        if settings.agent_probe_port:
            anywhere = "::" if sockets.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - a kubelet's, and pages only
            try:
                probes = stack.enter_context(open_listeners(anywhere, settings.agent_probe_port, ())).sockets
            except OSError as fault:
                place = f"AGENT_PROBE_PORT={settings.agent_probe_port}"
                raise OSError(fault.errno, fault.strerror, place) from fault
        scheme = "ws" if certificate is None else "wss"
        async with open_agent(settings, manager, places=[place_of(each, scheme) for each in main]) as hosted:
            refusals = Refusals()
            pages = Pages(
                hosted,
                refusals,
                Redactor(settings.secrets),
                admin_token=settings.admin_token.get_secret_value(),
                metrics_token=settings.metrics_token.get_secret_value(),
            )
            token = "" if certificate is not None else settings.agent_token.get_secret_value()
            most = settings.max_connections
            doors = [Door(main, Listener(pages, refusals, hosted=hosted, token=token, most=most), certificate)]
            if probes:
                doors.append(Door(probes, Listener(pages, refusals)))
            await _serve(doors, hosted, settings.shutdown_grace_sec, manager, certificate)


async def _serve(
    doors: Sequence[Door], hosted: Hosted, grace: float, manager: ServiceManager, certificate: Certificate | None
) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(_watch_signals, stop, grace, manager, certificate), name="signal watch")
        for door in doors:
            nursery.start_soon(door.serve, nursery, name=f"listener {door.places}")
        logging.getLogger("lingma_trio.server").info("Running on %s (CTRL + C to quit)", doors[0].places)
        await manager.tell_ready(f"serving on {doors[0].places}")
        await stop.wait()
        hosted.stop()
        with trio.move_on_after(grace):
            await hosted.quiet()
        nursery.cancel_scope.cancel("the agent has stopped")


async def _watch_signals(
    stop: trio.Event,
    grace: float,
    manager: ServiceManager,
    certificate: Certificate | None,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    with trio.open_signal_receiver(SIGTERM, SIGINT, SIGHUP) as signals:
        task_status.started()
        async for number in signals:
            if number == SIGHUP:
                if certificate is not None:
                    certificate.reload()
            elif stop.is_set():
                log.warning("stopping_now", signal=number)
                os._exit(128 + number)  # the keepers see their pipes close and leave nothing behind
            else:
                log.info("stopping", signal=number, grace_seconds=grace)
                stop.set()
                await manager.tell_stopping(grace + GOODBYE)


def _name_of(stream: trio.SocketStream) -> str:
    """Who is at the other end, for the log."""
    try:
        peer = stream.socket.getpeername()
    except OSError:
        return "a gateway"
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "a gateway"
