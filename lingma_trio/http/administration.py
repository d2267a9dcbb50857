"""What only the operator may do: sign an instance in by hand, and take its login elsewhere."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import trio
from pydantic_core import from_json, to_json

from lingma_trio.errors import InvalidRequest
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.services import Services
from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.lingma.instance import Instance

MAX_BODY = 64 * 1024  # bytes; a pasted callback has a few thousand
BODY_SECONDS = 10.0


async def start_login(exchange: Exchange, services: Services) -> None:
    """Sign an instance in: `{"instance", "callback", "retry"}`, all optional.

    With `callback`, the address a browser ended at, the login is completed; with `retry` the automatic one is tried
    again; without either the answer holds a login link to open in any browser.
    """
    services.gatekeeper.admit_operator(exchange)
    wishes = await _read(exchange)
    instance = _instance(services, wishes)
    callback = wishes.get("callback")
    if isinstance(callback, str) and callback:
        await instance.login.take_callback(callback)
        await instance.look()
    elif wishes.get("retry") is True:
        instance.login.retry()
    elif instance.state == "needs_login":
        await instance.login.link()
    await exchange.respond(200, to_json(login_report(instance)))


async def export_session(exchange: Exchange, services: Services) -> None:
    """The login of an instance as a bundle, `{"instance", "bundle"}` in base64: as good as the account's password."""
    services.gatekeeper.admit_operator(exchange)
    instance = _instance(services, await _read(exchange))
    try:
        packed = await trio.to_thread.run_sync(instance.export_login)
    except BundleFault as fault:
        raise InvalidRequest(str(fault)) from fault
    await exchange.respond(200, to_json({"instance": instance.name, "bundle": b64encode(packed).decode()}))


def login_report(instance: Instance) -> dict[str, Any]:
    """How an instance stands with its login, the link included, which only the operator may see."""
    state, reason = instance.standing()
    return {
        "instance": instance.name,
        "state": state,
        "reason": reason,
        "login": instance.login.state,
        "login_url": instance.login.url,
        "next_attempt_in": round(instance.login.next_attempt_in, 1),
    }


async def _read(exchange: Exchange) -> dict[str, Any]:
    body = await exchange.body.read(limit=MAX_BODY, seconds=BODY_SECONDS)
    try:
        wishes = from_json(body or b"{}")
    except ValueError:
        wishes = None
    if not isinstance(wishes, dict):
        raise InvalidRequest("the body must be a JSON object", param="body")
    return wishes


def _instance(services: Services, wishes: dict[str, Any]) -> Instance:
    """The instance that is named, or the only one there is."""
    name = wishes.get("instance")
    instances = {instance.name: instance for instance in services.pool.instances}
    if name is None and len(instances) == 1:
        return services.pool.instances[0]
    if isinstance(name, str) and name in instances:
        return instances[name]
    raise InvalidRequest(f"`instance` must be one of {', '.join(instances)}", param="instance")
