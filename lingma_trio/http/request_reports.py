"""What becomes of requests for answers, for the operator: those under way, and those that ended lately."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import trio
from pydantic_core import to_json

from lingma_trio.errors import NotFound
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.orders import admit_reader
from lingma_trio.http.services import Services
from lingma_trio.http.underway import Entry
from lingma_trio.policy.recent import RequestLine


async def list_requests(exchange: Exchange, services: Services) -> None:
    """`{"under_way", "ended"}`: the former oldest first, the latter newest first."""
    await admit_reader(exchange, services)
    report = {
        "under_way": [_entry(entry) for entry in services.underway],
        "ended": [_line(line) for line in services.recent.lines],
    }
    await exchange.respond(200, to_json(report))


async def show_request(exchange: Exchange, services: Services) -> None:
    """The request of this id, as it is in the list; raises `NotFound` for one that nobody remembers."""
    await admit_reader(exchange, services)
    wanted = exchange.scope["path_params"]["id"]
    for entry in services.underway:
        if wanted in {entry.exchange.head.id, entry.exchange.head.request_id}:
            await exchange.respond(200, to_json(_entry(entry)))
            return
    for line in (*services.recent.lines, *services.recent.failures):
        if line.id == wanted:
            await exchange.respond(200, to_json(_line(line)))
            return
    raise NotFound("no request of that id is under way or among the last")


def _entry(entry: Entry) -> dict[str, Any]:
    exchange = entry.exchange
    return {
        "id": exchange.head.request_id,
        "route": exchange.route,
        "key": exchange.tenant.name if exchange.tenant is not None else "",
        "model": exchange.facts.get("model") or entry.model[:100],
        "instance": exchange.facts.get("instance", ""),
        "client": exchange.head.client,
        "stage": exchange.progress.stage,
        "seconds": round(trio.current_time() - exchange.progress.began, 3),
        "deltas": exchange.progress.deltas,
        "cancelled": entry.cancelled,
    }


def _line(line: RequestLine) -> dict[str, Any]:
    return {**asdict(line), "spans": dict(line.spans)}
