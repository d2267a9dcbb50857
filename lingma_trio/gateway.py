"""Puts one gateway together from its settings, and holds the root of the nursery tree.

The composition root: the only place that knows every part. Nothing else reads settings.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
import trio

from lingma_trio.config import Settings
from lingma_trio.http.auth import Gatekeeper
from lingma_trio.http.services import Bounds, Ceiling, Services
from lingma_trio.lingma.dialogue import DialogueOptions, Dialogues
from lingma_trio.lingma.instance import Instance, InstanceOptions
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.metrics import Metrics
from lingma_trio.policy.backoff import Backoff
from lingma_trio.policy.session_cache import SessionCache

SECRET_VARIABLES = (
    "API_KEYS", "ADMIN_TOKEN", "METRICS_TOKEN", "LINGMA_PASSWORD", "LINGMA_ACCOUNTS",
)  # fmt: skip
"""What Lingma's own environment leaves out: a child has no business with the gateway's keys."""

log = structlog.get_logger("lingma_trio.gateway")


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Services]:
    """Run a gateway for the length of the block, whose nursery owns everything that lives longer than a request.

    A Lingma that cannot be started never ends the block: `/readyz` says why, and the next attempt follows. Leaving the
    block, or cancelling it, ends every Lingma. A bug in the tree leaves as an exception group, and must stop the
    server.
    """
    for warning in settings.warnings:
        log.warning("settings", warning=warning)
    simulated = is_simulated(settings)
    with _upstream(settings, simulated) as options:
        services = _assemble(settings, options, simulated)
        if simulated:
            log.warning("simulator", notice="THE BUNDLED SIMULATOR ANSWERS, not Lingma: set LINGMA_BIN and an account")
        async with trio.open_nursery() as root:
            for instance in services.instances:
                root.start_soon(instance.live)
            yield services
            root.cancel_scope.cancel("the gateway is stopping")


def is_simulated(settings: Settings) -> bool:
    """Whether the bundled simulator is upstream: only where asked for, or with `auto` and nothing else to serve."""
    if settings.lingma_upstream == "auto":
        return not settings.lingma_bin.exists() and not settings.lingma_accounts
    return settings.lingma_upstream == "simulator"


@contextmanager
def _upstream(settings: Settings, simulated: bool) -> Iterator[InstanceOptions]:
    environment = {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES}
    if not simulated:
        yield _options(settings, (str(settings.lingma_bin),), settings.lingma_work_dir, environment)
        return
    command = (sys.executable, "-m", "lingma_trio.simulator")
    with TemporaryDirectory(prefix="lingma-simulator-", ignore_cleanup_errors=True) as directory:
        yield _options(settings, command, Path(directory), environment, port=0)


def _options(
    settings: Settings, command: tuple[str, ...], directory: Path, environment: dict[str, str], port: int | None = None
) -> InstanceOptions:
    return InstanceOptions(
        name="lingma-0",
        command=command,
        work_dir=directory,
        port=settings.lingma_socket_port if port is None else port,
        startup_timeout=settings.lingma_startup_timeout,
        rpc_timeout=settings.lingma_rpc_timeout,
        endpoint=settings.dedicated_domain_url,
        environment=environment,
    )


def _assemble(settings: Settings, options: InstanceOptions, simulated: bool) -> Services:
    instance = Instance(options, Backoff())
    sessions = SessionCache(max_entries=settings.session_cache_max_entries, ttl=settings.session_cache_ttl_sec)
    bounds = TurnBounds(
        first_delta=settings.lingma_first_delta_timeout,
        idle=settings.lingma_idle_timeout,
        max_size=int(settings.max_answer_bytes),
    )
    dialogue = DialogueOptions(
        bounds=bounds,
        default_model=settings.default_model,
        mode=settings.default_ask_mode,
        reuse_sessions=settings.session_reuse_enabled,
    )
    services = Services(
        gatekeeper=Gatekeeper(
            api_keys=[key.get_secret_value() for key in settings.api_keys],
            anonymous=settings.allow_anonymous,
            admin_token=settings.admin_token.get_secret_value(),
            metrics_token=settings.metrics_token.get_secret_value(),
        ),
        limiter=Limiter(
            limit=settings.gateway_max_in_flight,
            queue_timeout=settings.gateway_queue_timeout_sec,
            max_queue=settings.gateway_max_queue,
        ),
        sessions=sessions,
        instances=(instance,),
        dialogues=Dialogues(instance, sessions, dialogue),
        metrics=Metrics(),
        bounds=Bounds(
            max_request=int(settings.max_request_bytes),
            request_timeout=settings.gateway_request_timeout,
            keepalive=settings.sse_keepalive_sec,
        ),
        ceiling=Ceiling(settings.gateway_request_timeout),
        simulated=simulated,
        created=int(time.time()),
    )
    services.metrics.attach(services)
    return services
