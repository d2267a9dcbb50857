"""The way in of every request for an answer or a count: admission, then bytes, then work.

A request counts against its key's requests of the minute before a byte of its body is read, so that what is refused
later counts as well. Its bytes count against the budget of all as they come. What takes long to read is read in a
thread: by its size, and a file always, since the size of a PDF does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from lingma_trio.errors import InvalidRequest
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.holding import Holding
from lingma_trio.http.ledger import Ledger
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant
from lingma_trio.threads import LOOP_SIZE

BODY_SECONDS = 30.0  # for a request's body to arrive; Hypercorn has no bound of its own

_FIELD, _BLOCK = b'"file_data"', b'"document"'
_LETTER = re.compile(rb"\\u00[4-7]")
"""What every body has that holds a file, in whichever API: the name of the field or of the block, whose letters JSON
can write otherwise only by their numbers. Within a text the quotation marks are written otherwise."""

Asked = TypeVar("Asked")


async def admit(exchange: Exchange, services: Services) -> Tenant:
    """The tenant whose request this is, which the exchange's ledger counts from now on.

    Raises `Unauthorized`, and `RequestLimitExceeded`.
    """
    tenant = services.gatekeeper.admit(exchange)
    await open_ledger(exchange, services, tenant).admit()
    return tenant


def open_ledger(exchange: Exchange, services: Services, tenant: Tenant) -> Ledger:
    """The ledger of a request whose tenant is known, which its exchange keeps from now on; it is not counted yet."""
    exchange.ledger = ledger = Ledger(tenant, services.open_dues(tenant.limits))
    return ledger


async def take_in(exchange: Exchange, services: Services, tenant: Tenant, parse: Callable[[bytes], Asked]) -> Asked:
    """The body of `tenant`'s request as `parse` reads it, within MAX_REQUEST_BYTES and BODY_SECONDS.

    The exchange holds its bytes from now on. Raises what `RequestBody.read`, `Holding.take` and `parse` raise, and
    `InvalidRequest` for a body that is compressed. `parse` may be called in a thread; cancelling waits for its end.
    """
    encoding = exchange.head.headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in {b"", b"identity"}:
        raise InvalidRequest(
            "the request's body is compressed, as its Content-Encoding says, which is not read here; send it as it is",
            param="body",
        )
    exchange.held = held = Holding(services.byte_budget, tenant.id, tenant.at_work)
    body = await exchange.body.read(
        limit=services.bounds.max_request, seconds=BODY_SECONDS, take=held.take, setting="MAX_REQUEST_BYTES"
    )
    held.laborious = held.size <= LOOP_SIZE and _may_hold_file(body)  # a larger one is work for a thread anyway
    return await held.work(parse, body)


def _may_hold_file(body: bytes) -> bool:
    """One expression for all would look at each byte, which of 60 KB takes ten times as long."""
    return _FIELD in body or _BLOCK in body or (b"\\u00" in body and _LETTER.search(body) is not None)
