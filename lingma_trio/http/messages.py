"""Anthropic's messages: answers, and conversations that are kept so that clients send only what is new.

An answer of such a conversation is kept by a statement that only a finished one reaches, beside the responses of the
Responses API and within their bounds, for the API key that asked for it and nobody else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import uuid4

from lingma_trio.api.anthropic.asked import MessagesRequest as Asked
from lingma_trio.api.anthropic.request import MessageEncoder, MessagesRequest, as_request, read_body, threaded_request
from lingma_trio.api.anthropic.threads import answered, check_reach, continued_from, size_of
from lingma_trio.api.encoder import Encoder
from lingma_trio.errors import StateDown, ThreadNotFound, ThreadUnsupported
from lingma_trio.http.answering import serve_answer
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.intake import admit, take_in
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant

_PREFIX = "msg_"


async def create_message(exchange: Exchange, services: Services) -> None:
    """Answer a request. Cancelling it tells upstream to stop, frees the slot and keeps nothing."""
    tenant = await admit(exchange, services)
    await _served(exchange, services, tenant, await take_message(exchange, services, tenant))


def _served(exchange: Exchange, services: Services, tenant: Tenant, request: MessagesRequest) -> Awaitable[None]:
    """What serves a request. No async function, whose frame would hold the conversation for as long as that takes."""
    if not request.identity:
        return serve_answer(exchange, services, request, tenant)

    def keep(encoder: Encoder) -> Awaitable[None]:
        assert isinstance(encoder, MessageEncoder)
        response = answered(request.given, encoder.turn(), request.before)
        return services.responses.put(tenant.id, _PREFIX + request.identity, response, exchange.trips)

    return serve_answer(exchange, services, request, tenant, completed=keep)


async def take_message(
    exchange: Exchange, services: Services, tenant: Tenant, read: Callable[[bytes], Asked] = read_body
) -> MessagesRequest:
    """Take in a request and `read` it. The conversation that it continues is found here and now, and counts as its
    bytes.
    """
    asked = await take_in(exchange, services, tenant, read)
    if asked.thread is None:
        return await exchange.held.work(as_request, asked)
    if not services.responses.keeps:
        raise ThreadUnsupported(
            "conversations are not kept here; leave thread out and send all messages", param="thread"
        )
    before, held = None, exchange.held.size

    def count(size: int) -> None:
        check_reach(size, services.bounds.max_request)
        exchange.held.take(size)

    if (identity := continued_from(asked)) is not None:
        if identity.startswith(_PREFIX):
            with suppress(StateDown):  # SDKs send all messages of a thread that is not there
                before = await services.responses.find(tenant.id, identity, count, exchange.trips)
        if before is None:
            raise ThreadNotFound(
                "no message of that id is kept for this key, or no longer; create a thread with all messages",
                param="thread.previous_message_id",
            )
        size = size_of(before, asked, most=services.bounds.max_request)
        exchange.held.take(size - (exchange.held.size - held))  # less what was counted as it was brought
        exchange.held.laborious = True  # what is kept may hold files
    return await exchange.held.work(threaded_request, asked, before, uuid4().hex)
