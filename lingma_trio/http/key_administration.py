"""What the operator may do to the keys of KEYS_FILE while the gateway runs: make one, and revoke one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from lingma_trio.errors import InvalidRequest
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.operator_sessions import CSRF_FIELD
from lingma_trio.http.services import Services
from lingma_trio.keys.document import Form, KeysFault
from lingma_trio.keys.file import edit
from lingma_trio.keys.making import make_key, named_models
from lingma_trio.threads import DISK

LIMITS = ("max_in_flight", "requests_per_minute", "tokens_per_minute")
WISHES = ("name", *LIMITS, "models")

log = structlog.get_logger("lingma_trio.keys")


async def new_key(exchange: Exchange, services: Services, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Make a key for `name`, with LIMITS and the `models` where they are given; it is in force when this returns, and
    told this once.

    Raises `InvalidRequest` without KEYS_FILE, for what the file cannot take, and for a wish that is none of WISHES: a
    key that lacks a limit which somebody asked for may do more than it should.
    """
    del exchange
    for wish in wishes:
        if wish not in WISHES and wish != CSRF_FIELD:
            raise InvalidRequest(f"a key is made with {', '.join(WISHES)} and nothing else", param=wish)
    fields: dict[str, Any] = {limit: _number(limit, wishes[limit]) for limit in LIMITS if wishes.get(limit)}
    if wishes.get("models") not in (None, ""):
        fields["models"] = _models(wishes["models"])
    name = str(wishes.get("name") or "")
    try:
        key, entry = make_key(name, fields)
    except KeysFault as fault:
        raise InvalidRequest(str(fault), param="name") from None
    await _edit(services, partial(_with_entry, entry))
    log.info("key_made", key=name)
    return {"name": name, "key": key}


async def revoke_key(exchange: Exchange, services: Services, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Take the key of this name out of the file: it has no further request admitted.

    Raises `InvalidRequest` without KEYS_FILE, and for a name that is not in it.
    """
    del wishes
    name = exchange.scope["path_params"]["name"]
    await _edit(services, partial(_without_entry, name))
    log.info("key_revoked", key=name)
    return {"name": name}


async def _edit(services: Services, change: Callable[[str, Form], str]) -> None:
    watch, tenants = services.key_watch, services.gatekeeper.tenants
    if watch is None:
        raise InvalidRequest(
            "keys are made in the file that KEYS_FILE names, and it is not set; set it and start the gateway anew"
        )
    try:
        await DISK.run(edit, watch.path, change, tenants.fixed)
    except KeysFault as fault:
        raise InvalidRequest(str(fault)) from None
    await watch.take_up()


def _with_entry(entry: dict[str, Any], text: str, form: Form) -> str:
    from lingma_trio.keys.editing import with_entry  # noqa: PLC0415 - in a thread, and of use to few

    return with_entry(text, entry, form)


def _without_entry(name: str, text: str, form: Form) -> str:
    from lingma_trio.keys.editing import without_entry  # noqa: PLC0415 - as above

    return without_entry(text, name, form)


def _models(given: object) -> list[str]:
    """The models of a comma list, as a form has them, or of an array, as KEYS_FILE has them."""
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise InvalidRequest("`models` must be names of models: an array of them, or a comma list", param="models")
    try:
        return named_models(names)
    except KeysFault as fault:
        raise InvalidRequest(f"`models` {fault}", param="models") from None


def _number(field: str, given: object) -> int:
    try:
        number = int(str(given))
    except ValueError:
        number = 0
    if number < 1:
        raise InvalidRequest(f"`{field}` must be a whole number of 1 or more, or left out", param=field)
    return number
