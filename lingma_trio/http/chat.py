"""Chat completions, and the requests for a response that some clients send to their path."""

from __future__ import annotations

from typing import Any

from lingma_trio.api.asked.reading import read_fields_as
from lingma_trio.api.openai.request import read_request
from lingma_trio.api.request_fields import read_body as read_fields
from lingma_trio.api.responses.as_chat import is_for_responses, usage_asked
from lingma_trio.api.responses.asked import ResponseRequest
from lingma_trio.http.answering import serve_answer
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.intake import admit, take_in
from lingma_trio.http.responses import serve_as_chat, serve_response
from lingma_trio.http.services import Services


async def create_chat(exchange: Exchange, services: Services) -> None:
    """Answer what is asked, in the form that its client reads. Cancelling tells upstream to stop and frees the slot."""
    tenant = admit(exchange, services)
    fields = await take_in(exchange, services, tenant, read_fields)
    if not is_for_responses(fields):
        reading = exchange.held.work(read_request, fields)
        del fields  # which holds the texts a second time, for as long as the answer takes
        await serve_answer(exchange, services, (await reading).wanted(), tenant)
        return
    usage = usage_asked(fields)
    asked = await exchange.held.work(_for_responses, fields)
    del fields
    if usage is None:
        await serve_response(exchange, services, asked, tenant)
    else:
        await serve_as_chat(exchange, services, asked, tenant, include_usage=usage)


def _for_responses(fields: dict[str, Any]) -> ResponseRequest:
    return read_fields_as(ResponseRequest, fields)
