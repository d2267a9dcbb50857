"""What only the operator may do: sign an instance in by hand, take its login elsewhere, restart and drain instances.

Does what is wished for; who wishes it, and how the outcome is told, is `orders` and `page.actions`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import structlog
from pydantic_core import to_json

from lingma_trio.errors import InvalidRequest, NotFound
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.orders import read_object
from lingma_trio.http.services import Services
from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.lingma.instance import Instance, Order

log = structlog.get_logger("lingma_trio.administration")


async def start_login(exchange: Exchange, services: Services, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Sign an instance in: `{"instance", "callback", "retry"}`, all optional.

    With `callback`, the address a browser ended at, the login is completed; with `retry` the automatic one is tried
    again; without either the answer holds a login link to open in any browser.
    """
    del exchange
    instance = _instance(services, wishes)
    if instance.account.login is None:
        raise InvalidRequest("an agent signs in with its token; give it one in ACP_TOKENS, and start the gateway anew")
    callback = wishes.get("callback")
    await instance.sign_in(callback=callback if isinstance(callback, str) else "", retry=wishes.get("retry") is True)
    return login_report(instance)


async def export_session(exchange: Exchange, services: Services) -> None:
    """The login of an instance as a bundle, `{"instance", "bundle"}` in base64: as good as the account's password.

    Not for the page: whoever takes a login along has ADMIN_TOKEN at hand.
    """
    await services.gatekeeper.admit_operator(exchange)
    instance = _instance(services, await read_object(exchange))
    try:
        packed = await instance.export_login()
    except BundleFault as fault:
        raise InvalidRequest(str(fault)) from fault
    await exchange.respond(200, to_json({"instance": instance.name, "bundle": b64encode(packed).decode()}))


async def order_instance(
    exchange: Exchange, services: Services, wishes: Mapping[str, Any], *, order: Order
) -> dict[str, Any]:
    """Have the instance that the path names take an order, as `Instance.take_order` says."""
    del wishes
    instance = _instance_of_path(exchange, services)
    await instance.take_order(order)
    return instance_report(instance)


async def clear_sessions(exchange: Exchange, services: Services, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Forget every session that could be continued, by any gateway: `{"cleared"}` is how many there were."""
    del exchange, wishes
    cleared = await services.sessions.clear()
    log.info("sessions_cleared", count=cleared)
    return {"cleared": cleared}


def cancel_request(exchange: Exchange, services: Services, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """End a request for an answer: its client gets an error, never what looks like the answer's end.

    Raises `NotFound` where none of that id is under way.
    """
    del wishes
    entries = services.underway.cancel(exchange.scope["path_params"]["id"])
    for entry in entries:
        log.info("request_cancelled", request=entry.exchange.head.request_id, stage=entry.exchange.progress.stage)
    return {"cancelled": [entry.exchange.head.request_id for entry in entries]}


def instance_report(instance: Instance) -> dict[str, Any]:
    """How an instance stands, and what it has under way."""
    state, reason = instance.standing.told()
    return {
        "instance": instance.name,
        "state": state,
        "reason": reason,
        "turns": instance.turns,
        "generation": instance.lives.generation,
    }


def login_report(instance: Instance) -> dict[str, Any]:
    """How an instance stands with its login, the link included, which only the operator may see."""
    state, reason = instance.standing.told()
    login = instance.account.login
    return {
        "instance": instance.name,
        "account_name": instance.label,
        "state": state,
        "reason": reason,
        "login": "by_token" if login is None else login.state,
        "login_url": "" if login is None else login.url,
        "next_attempt_in": 0.0 if login is None else round(login.next_attempt_in, 1),
    }


def _instance_of_path(exchange: Exchange, services: Services) -> Instance:
    wanted = exchange.scope["path_params"]["name"]
    for instance in services.pool.instances:
        if instance.name == wanted:
            return instance
    raise NotFound(f"no instance of that name; there are {', '.join(each.name for each in services.pool.instances)}")


def _instance(services: Services, wishes: Mapping[str, Any]) -> Instance:
    """The instance that is named, or the only one there is."""
    name = wishes.get("instance")
    instances = {instance.name: instance for instance in services.pool.instances}
    if name is None and len(instances) == 1:
        return services.pool.instances[0]
    if isinstance(name, str) and name in instances:
        return instances[name]
    raise InvalidRequest(f"`instance` must be one of {', '.join(instances)}", param="instance")
