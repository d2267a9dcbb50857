"""Takes the picture of a running gateway that the page shows.

Reads what others keep and changes nothing; secrets in what Lingma printed are struck out here.
"""

from __future__ import annotations

import time

import trio

from lingma_trio import __version__
from lingma_trio.http.operator_sessions import OperatorSession
from lingma_trio.http.page.view import Board, InstancePanel, Numbers, View, clock_time, hit_rate, plot_rates, plot_waits
from lingma_trio.http.services import Services
from lingma_trio.lingma.instance import Instance


def take_view(
    services: Services, session: OperatorSession | None, *, done: str = "", fault: str = "", fault_key: str = ""
) -> View:
    """The page as it stands; without a session no more than whether the gateway is ready."""
    signed_in = session is not None
    return View(
        readiness=readiness(services),
        version=__version__,
        simulated=signed_in and services.simulated,
        open_to_sign_in=services.operators.enabled,
        csrf=session.csrf if session is not None else "",
        board=_board(services) if signed_in else None,
        models=[(model.key, model.name) for model in services.pool.catalogue.models] if signed_in else (),
        clock=clock_time(time.time()),
        done=done,
        fault=services.redactor.text(fault),
        fault_key=fault_key,
    )


def readiness(services: Services) -> str:
    """`ready`, `not_ready` or `draining`, as /readyz says it."""
    if services.ceiling.draining:
        return "draining"
    return "ready" if any(instance.fault() is None for instance in services.pool.instances) else "not_ready"


def _board(services: Services) -> Board:
    now = trio.current_time()
    limiter, sessions = services.limiter.counts, services.sessions
    return Board(
        instances=[_panel(services, instance) for instance in services.pool.instances],
        numbers=Numbers(
            in_flight=limiter.in_flight,
            queued=limiter.queued,
            refused=limiter.refused_full + limiter.refused_late,
            sessions=len(sessions),
            hit_rate=hit_rate(sessions.hits, sessions.misses.total()),
            uptime_minutes=int((now - services.began) // 60),
            restarts=sum(instance.restarts for instance in services.pool.instances),
        ),
        first_delta=plot_waits(services.pace.waits(now)),
        deltas=plot_rates(services.pace.rates(now)),
        requests=services.recent.lines,
        failures=services.recent.failures,
        keys_fault=services.key_watch.fault if services.key_watch is not None else "",
    )


def _panel(services: Services, instance: Instance) -> InstancePanel:
    state, reason = instance.standing()
    url = instance.login.url
    return InstancePanel(
        name=instance.name,
        state=state,
        reason=services.redactor.text(reason),
        last_end=services.redactor.text(instance.last_end),
        detail=services.redactor.text(instance.detail),
        turns=instance.turns,
        restarts=instance.restarts,
        models=len(instance.catalogue.models),
        drained=instance.drained,
        login_url=url if url.startswith(("https://", "http://")) else "",  # nothing else belongs into a link
        wants_login=instance.state == "needs_login",
    )
