"""The gateway as one ASGI app, whose lifespan task is the root of the nursery tree below the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
import trio
from starlette.types import Message, Receive, Scope, Send

from lingma_trio.config import Settings, load_settings
from lingma_trio.errors import ConfigurationFault
from lingma_trio.gateway import open_gateway
from lingma_trio.http.routes import build_router
from lingma_trio.http.services import Services
from lingma_trio.logs import configure_logging
from lingma_trio.systemd import ServiceManager

log = structlog.get_logger("lingma_trio.application")

WRONG_LOOP = (
    "the gateway runs on Trio, and this server does not: start `lingma-trio serve`, or"
    " `hypercorn --worker-class trio lingma_trio.asgi:app`"
)


class Application:
    """The whole gateway as one ASGI app. Reads its settings when the server starts it, not before.

    `manager` is told by a watchdog's pulse that the gateway lives. `examine` is shown the settings and the lifespan's
    state before anything runs, and may raise `ConfigurationFault`. A gateway that `succeeds` another waits for that
    one's work directories.
    """

    def __init__(
        self,
        load: Callable[[], Settings] = load_settings,
        manager: ServiceManager | None = None,
        *,
        examine: Callable[[Settings, dict[str, Any]], None] | None = None,
        succeeds: bool = False,
    ) -> None:
        self._load = load
        self._manager = manager
        self._examine = examine
        self._succeeds = succeeds
        self._router = build_router()
        self._services: Services | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope, or the server's life."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            if self._services is None:
                await _refuse_for_want_of_lifespan(send)
                return
            scope.setdefault("state", {})["services"] = self._services
            await self._router(scope, receive, send)

    @property
    def services(self) -> Services | None:
        """What serves, between the server's start and its end."""
        return self._services

    def drain(self, seconds: float) -> None:
        """Let requests finish for `seconds`; what still runs then ends with an error of its own."""
        if self._services is not None:
            self._services.ceiling.drain(seconds)

    def reload(self) -> None:
        """Read KEYS_FILE again, as far as there is one."""
        if self._services is not None and self._services.key_watch is not None:
            self._services.key_watch.look()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        verdict: Message = {"type": "lifespan.shutdown.complete"}
        try:
            if not trio.lowlevel.in_trio_run():
                raise ConfigurationFault(WRONG_LOOP)
            settings = self._load()
            configure_logging(settings.log_level, settings.log_format, settings.secrets, replica=settings.replica)
            if self._examine is not None:
                self._examine(settings, scope.get("state", {}))
            async with open_gateway(settings, self._manager, succeeds=self._succeeds) as services:
                self._services = services
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except* ConfigurationFault as group:
            reason = str(group.exceptions[0])
            log.error("startup_refused", fault=reason)
            verdict = {"type": "lifespan.startup.failed", "message": reason}
        except* Exception as group:  # the edge: a bug in the tree must stop the server, which only this message does
            log.error("gateway_failed", exc_info=group)
            verdict = {"type": "lifespan.shutdown.failed", "message": "the gateway failed; see the log"}
        finally:
            self._services = None
        await send(verdict)


async def _refuse_for_want_of_lifespan(send: Send) -> None:
    body = b'{"error":{"message":"the gateway is not running","type":"server_error","param":null,"code":"not_started"}}'
    headers: list[Any] = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
