"""What each API key has used, for the operator: by the key's name, and never by the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio
from pydantic_core import to_json

from lingma_trio.http.exchange import Exchange
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant, utc_now
from lingma_trio.policy.use import Tally, by_key


async def show_usage(exchange: Exchange, services: Services) -> None:
    """Each key that there is now, with what it used and what it still may.

    What it used is counted since it came or since the start, and where gateways share a store, on all of them in the
    last month.
    """
    await services.gatekeeper.admit_operator(exchange)
    month = by_key(await services.use.month()) if services.use.shared else None
    keys = [_usage(tenant, services, month) for tenant in services.gatekeeper.tenants]
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


def _usage(tenant: Tenant, services: Services, month: Mapping[str, Mapping[str, Tally]] | None) -> dict[str, Any]:
    key = tenant.key
    outcomes = dict(tenant.outcomes)
    prompt_tokens, answer_tokens = tenant.prompt_tokens, tenant.answer_tokens
    if month is not None:
        tallies = month.get(tenant.name, {})
        outcomes = {outcome: tally.requests for outcome, tally in tallies.items()}
        total = sum(tallies.values(), Tally())
        prompt_tokens, answer_tokens = total.prompt_tokens, total.answer_tokens
    in_flight, queued = services.limiter.load(tenant.id)
    limits = {
        kind: {"limit": each.limit, "remaining": each.remaining, "reset_seconds": round(each.reset, 3)}
        for kind, each in tenant.limits.allowances(trio.current_time())
    }
    return {
        "name": tenant.name,
        "requests": sum(outcomes.values()),
        "outcomes": outcomes,
        "prompt_tokens": prompt_tokens,
        "answer_tokens": answer_tokens,
        "in_flight": in_flight,
        "queued": queued,
        "max_in_flight": key.max_in_flight or None,
        "per_minute": limits,
        "models": list(key.models) or None,
        "expires": key.expires.isoformat() if key.expires is not None else None,
        "expired": tenant.has_expired(utc_now()),
        "last_used": tenant.last_used.isoformat() if tenant.last_used is not None else None,
    }
