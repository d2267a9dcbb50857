"""What each API key has used, for the operator: by the key's name, and never by the key."""

from __future__ import annotations

from collections import Counter
from typing import Any

import trio
from pydantic_core import to_json

from lingma_trio.http.exchange import Exchange
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant, utc_now
from lingma_trio.policy.use import Tally, Use, by_key


async def show_usage(exchange: Exchange, services: Services) -> None:
    """Each key that there is now, with what it used and what it still may.

    What it used is counted since it came or since the start, and where gateways share a store, on all of them in the
    last month; so are its requests in flight and in the queue, those of others as they were some seconds ago.
    """
    await services.gatekeeper.admit_operator(exchange)
    month = by_key(await services.use.month()) if services.use.shared else None
    keys = [
        _usage(tenant, services, None if month is None else month.get(tenant.name, {}))
        for tenant in services.gatekeeper.tenants
    ]
    report = {
        "estimated_tokens": True,
        "period": "process" if month is None else "month",
        "keys": keys,
        "file": keys_report(services)["file"],
    }
    await exchange.respond(200, to_json(services.redactor.value(report)))


def keys_report(services: Services) -> dict[str, Any]:
    """How many keys there are, and how KEYS_FILE is doing: its `fault` keeps the keys that were read before, and
    `edition`, the SHA-256 of its text, tells whether that was before or after an edit.
    """
    watch = services.key_watch
    file = None
    if watch is not None:
        loaded_at = watch.loaded_at.isoformat() if watch.loaded_at is not None else None
        file = {
            "path": str(watch.path),
            "edition": watch.edition,
            "loaded_at": loaded_at,
            "loads": watch.loads,
            "fault": watch.fault,
        }
    return {"count": len(services.gatekeeper.tenants), "file": file}


def _usage(tenant: Tenant, services: Services, own: Use | None) -> dict[str, Any]:
    key = tenant.key
    outcomes, total = tenant.outcomes, Tally(0, tenant.prompt_tokens, tenant.answer_tokens)
    if own is not None:
        outcomes, total = Counter(), sum(own.values(), Tally())
        for cell, tally in own.items():
            outcomes[cell.outcome] += tally.requests
    last_used = tenant.last_use(own or {})
    in_flight, queued = services.key_load(tenant)
    limits = {
        kind: {"limit": each.limit, "remaining": each.remaining, "reset_seconds": round(each.reset, 3)}
        for kind, each in tenant.limits.allowances(trio.current_time())
    }
    return {
        "name": tenant.name,
        "requests": outcomes.total(),
        "outcomes": dict(outcomes),
        "prompt_tokens": total.prompt_tokens,
        "answer_tokens": total.answer_tokens,
        "in_flight": in_flight,
        "queued": queued,
        "max_in_flight": key.max_in_flight or None,
        "per_minute": limits,
        "models": list(key.models) or None,
        "expires": key.expires.isoformat() if key.expires is not None else None,
        "expired": tenant.has_expired(utc_now()),
        "last_used": last_used.isoformat() if last_used is not None else None,
    }
