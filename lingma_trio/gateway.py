"""Puts one gateway together from its settings, and holds the root of the nursery tree.

The composition root: the only place that knows every part. Nothing else reads settings.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import structlog
import trio

from lingma_trio.config import Settings
from lingma_trio.fleet import plan_fleet, simulator_notice
from lingma_trio.http.auth import Gatekeeper
from lingma_trio.http.ceiling import Ceiling
from lingma_trio.http.key_watch import KeyWatch
from lingma_trio.http.operator_sessions import OperatorSessions
from lingma_trio.http.origins import Origins
from lingma_trio.http.picture_bounds import PictureBounds
from lingma_trio.http.pictures import Pictures
from lingma_trio.http.services import Bounds, Services
from lingma_trio.http.tenants import Tenants
from lingma_trio.http.token_check import TokenCheck
from lingma_trio.http.use_book import UseBook
from lingma_trio.lingma.asker import DialogueOptions
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.options import InstanceOptions
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.remote.agents import Agents
from lingma_trio.lingma.remote.dial import Dialler, OpenStream, Streams
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.logs import Redactor
from lingma_trio.metrics import Metrics
from lingma_trio.policy.aliases import Aliases
from lingma_trio.policy.backoff import Backoff
from lingma_trio.policy.byte_budget import ByteBudget
from lingma_trio.sessions.book import SessionBook
from lingma_trio.state.instances import InstanceRegistry
from lingma_trio.state.link import Dial, StoreLink, kept
from lingma_trio.state.operators_memory import MemoryOperators
from lingma_trio.state.operators_store import StoreOperators
from lingma_trio.state.rates_store import SharedRates
from lingma_trio.state.replicas import Replicas
from lingma_trio.state.responses import Responses
from lingma_trio.state.responses_memory import MemoryResponses
from lingma_trio.state.responses_store import StoreResponses
from lingma_trio.state.sessions import Sessions
from lingma_trio.state.sessions_memory import MemorySessions
from lingma_trio.state.sessions_store import StoreSessions
from lingma_trio.state.use_file import UseFile
from lingma_trio.state.use_store import StoreUse
from lingma_trio.state.wire import link_to
from lingma_trio.systemd import ServiceManager
from lingma_trio.tracing.opening import open_tracing

log = structlog.get_logger("lingma_trio.gateway")


@dataclass(frozen=True, slots=True)
class Ways:
    """How a gateway reaches others, where that is not over the machine's own network: the store, and agents."""

    dial: Dial | None = None
    open_stream: OpenStream | None = None


@asynccontextmanager
async def open_gateway(
    settings: Settings, manager: ServiceManager | None = None, *, succeeds: bool = False, ways: Ways | None = None
) -> AsyncIterator[Services]:
    """Run a gateway for the length of the block, whose nursery owns everything that lives longer than a request.
    The watchdog of `manager` hears that it lives. One that `succeeds` another waits for its work directories. What is
    elsewhere is reached by `ways`, over the machine's own network where there are none.

    A Lingma that cannot be started never ends the block: `/readyz` says why, and the next attempt follows. Leaving the
    block, or cancelling it, ends every Lingma. Nor does a store that cannot be reached, which `/readyz` tells as well.
    Raises `ConfigurationFault` for a KEYS_FILE that is faulty, and where STATE_URL lacks its client. A bug in the tree
    leaves as an exception group, and must stop the server.
    """
    for warning in settings.warnings:
        log.warning("settings", warning=warning)
    with plan_fleet(settings, patient=succeeds) as fleet:
        services = _assemble(settings, fleet, ways or Ways())
        if services.simulated:
            log.warning("simulator", notice=services.notice)
        for options in fleet:
            log.info("instance", instance=options.name, account=options.label, work_dir=str(options.work_dir))
        if services.key_watch is not None:
            await services.key_watch.load()
        async with (
            open_tracing(os.environ) as services.tracing,
            kept(services.link),
            trio.open_nursery() as root,
        ):
            if manager is not None:
                root.start_soon(manager.pulse, name="pulse")
            if services.key_watch is not None:
                await root.start(services.key_watch.run, name="watch over KEYS_FILE")
            for name, run in _keepers(services):
                root.start_soon(run, name=name)
            for instance in services.pool.instances:
                root.start_soon(instance.lives.live, name=f"supervisor of {instance.name}")
            yield services
            root.cancel_scope.cancel("the gateway is stopping")


def _keepers(services: Services) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """What goes on for as long as a gateway runs, beside its requests and its instances, by the names of the tasks."""
    yield "use keeper", services.use.run
    if services.replicas is not None:
        yield "replica reports", services.replicas.run
    if services.agents is not None:
        yield "agents", services.agents.keep
    if isinstance(services.sessions, StoreSessions):
        yield "session returns", services.sessions.keep
    if services.rates is not None:
        yield "place keeper", services.rates.keeper.run
    if isinstance(services.operators.operators, StoreOperators):
        yield "sign-outs", services.operators.operators.keep


def _assemble(settings: Settings, fleet: list[InstanceOptions], ways: Ways) -> Services:
    link = link_to(settings.state_url, settings.replica, ways.dial)
    pool = Pool([Instance(options, Backoff()) for options in fleet])
    tenants = Tenants(settings.api_keys, required=settings.keys_file is not None)
    sessions = _sessions(settings, link)
    admin_token = settings.admin_token.get_secret_value()
    operators = StoreOperators(link, admin_token) if link is not None else MemoryOperators()
    gatekeeper = Gatekeeper(
        tenants,
        anonymous=settings.allow_anonymous,
        admin_token=admin_token,
        metrics_token=settings.metrics_token.get_secret_value(),
        tokens=TokenCheck(operators),
    )
    limiter = Limiter(
        limit=settings.gateway_max_in_flight,
        queue_timeout=settings.gateway_queue_timeout_sec,
        max_queue=settings.gateway_max_queue,
    )
    services = Services(
        gatekeeper=gatekeeper,
        limiter=limiter,
        sessions=sessions,
        responses=_responses(settings, link),
        pool=pool,
        dialogues=Dialogues(limiter, pool, sessions, _dialogue_options(settings)),
        metrics=Metrics(settings.replica),
        bounds=Bounds(
            max_request=int(settings.max_request_bytes),
            request_timeout=settings.gateway_request_timeout,
            keepalive=settings.sse_keepalive_sec,
        ),
        byte_budget=ByteBudget(int(settings.max_bytes_in_flight)),
        pictures=Pictures(
            PictureBounds(max_size=int(settings.max_image_bytes), seconds=settings.image_fetch_timeout),
            enabled=settings.image_fetch,
            fallback=settings.image_fallback,
        ),
        ceiling=Ceiling(settings.gateway_request_timeout, delivery=settings.client_stall_sec),
        notice=simulator_notice(settings),
        created=int(time.time()),
        redactor=Redactor(settings.secrets),
        operators=OperatorSessions(admin_token, gatekeeper.tokens, operators),
        use=UseBook(StoreUse(link, uuid4().hex) if link is not None else UseFile(settings.lingma_data_dir)),
        origins=Origins(settings.cors_origins),
        key_watch=KeyWatch(settings.keys_file, tenants) if settings.keys_file is not None else None,
        link=link,
        agents=_agents(settings, pool, link, ways),
        rates=SharedRates(link) if link is not None else None,
    )
    if link is not None:
        services.replicas = Replicas(link, link.name, services.load, services.key_loads)
    services.metrics.attach(services)
    return services


def _agents(settings: Settings, pool: Pool, link: StoreLink | None, ways: Ways) -> Agents | None:
    """Those whose instances are the pool's; None where this gateway has its own."""
    if settings.lingma_upstream != "agents":
        return None
    streams = Streams(settings.agent_cert_file, settings.agent_key_file, settings.agent_ca_file)
    dialler = Dialler(ways.open_stream or streams.open, settings.agent_token.get_secret_value())
    registered = InstanceRegistry(link).agents if link is not None and not settings.lingma_agents else None
    return Agents(
        settings.lingma_agents,
        pool,
        dialler,
        registered=registered,
        rpc_timeout=settings.lingma_rpc_timeout,
        session_ttl=settings.session_cache_ttl_sec if settings.session_reuse_enabled else 0.0,
    )


def _sessions(settings: Settings, link: StoreLink | None) -> Sessions:
    most, ttl = settings.session_cache_max_entries, settings.session_cache_ttl_sec
    if link is None:
        return MemorySessions(SessionBook(max_entries=most, ttl=ttl))
    return StoreSessions(link, max_entries=most, ttl=ttl)


def _responses(settings: Settings, link: StoreLink | None) -> Responses:
    entries, size = settings.response_store_max_entries, int(settings.response_store_max_bytes)
    ttl = settings.response_store_ttl_sec
    if link is None:
        return MemoryResponses(max_entries=entries, max_bytes=size, ttl=ttl)
    return StoreResponses(link, max_entries=entries, max_bytes=size, ttl=ttl)


def _dialogue_options(settings: Settings) -> DialogueOptions:
    bounds = TurnBounds(
        first_delta=settings.lingma_first_delta_timeout,
        idle=settings.lingma_idle_timeout,
        max_size=int(settings.max_answer_bytes),
    )
    agents = settings.lingma_upstream == "acp"  # who know neither of Lingma's modes
    return DialogueOptions(
        bounds=bounds,
        default_model=settings.default_model,
        mode="chat" if agents else settings.default_ask_mode,
        tool_mode="chat" if agents else settings.tool_ask_mode,
        reuse_sessions=settings.session_reuse_enabled,
        aliases=Aliases(settings.model_aliases),
    )
