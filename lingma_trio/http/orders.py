"""An operator's order, as it comes: from a program with ADMIN_TOKEN, or from the page of somebody who is signed in.

Knows the two ways in which an order is shown to be the operator's. Does not know what is ordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pydantic_core import from_json

from lingma_trio.errors import InvalidRequest
from lingma_trio.http.exchange import JSON, Exchange
from lingma_trio.http.operator_sessions import CSRF_HEADER
from lingma_trio.http.services import Services

MAX_BODY = 64 * 1024  # bytes; a pasted callback has a few thousand
BODY_SECONDS = 10.0
MAX_FIELDS = 20
FORM = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Order:
    """What is wished for; `by_form` says that a browser sent it without a script, and so wants to see the page."""

    wishes: Mapping[str, Any]
    by_form: bool


def is_form(exchange: Exchange) -> bool:
    """Whether the body is that of a form."""
    return exchange.head.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == FORM


def wants_page(exchange: Exchange) -> bool:
    """Whether a browser without a script asks, which shows whatever it gets."""
    return is_form(exchange) and JSON not in exchange.head.headers.get(b"accept", b"")


async def take_order(exchange: Exchange, services: Services) -> Order:
    """Read the order and see that it is the operator's.

    Raises `NotFound` for who is not the bearer of ADMIN_TOKEN, `Unauthorized` for an order of the page without a
    session and its token, and `InvalidRequest` for a body that is no object.
    """
    if is_form(exchange) or CSRF_HEADER in exchange.head.headers:
        wishes: Mapping[str, Any] = await read_form(exchange) if is_form(exchange) else await read_object(exchange)
        await services.operators.admit(exchange, wishes)
        return Order(wishes, wants_page(exchange))
    await services.gatekeeper.admit_operator(exchange)
    return Order(await read_object(exchange), by_form=False)


async def admit_reader(exchange: Exchange, services: Services) -> None:
    """See that who reads is the operator, with ADMIN_TOKEN or signed in to the page. Raises as `admit_operator`."""
    if await services.operators.find(exchange) is None:
        await services.gatekeeper.admit_operator(exchange)


async def read_form(exchange: Exchange) -> dict[str, str]:
    """The fields of a form; of one that stands there twice the last."""
    body = await exchange.body.read(limit=MAX_BODY, seconds=BODY_SECONDS)
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise InvalidRequest("the form has too many fields", param="body") from None


async def read_object(exchange: Exchange) -> dict[str, Any]:
    """The body as a JSON object; an empty one where there is none."""
    body = await exchange.body.read(limit=MAX_BODY, seconds=BODY_SECONDS)
    try:
        wishes = from_json(body or b"{}")
    except ValueError:
        wishes = None
    if not isinstance(wishes, dict):
        raise InvalidRequest("the body must be a JSON object", param="body")
    return wishes
