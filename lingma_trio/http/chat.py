"""Chat completions, and the requests for a response that some clients send to their path."""

from __future__ import annotations

from collections.abc import Awaitable

from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.openai.asked import ChatCompletionRequest
from lingma_trio.api.openai.request import ChatRequest, as_request
from lingma_trio.api.responses.as_chat import is_for_responses, usage_asked
from lingma_trio.api.responses.asked import ResponseRequest
from lingma_trio.http.answering import serve_answer
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.intake import admit, take_in
from lingma_trio.http.responses import serve_as_chat, serve_response
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant


async def create_chat(exchange: Exchange, services: Services) -> None:
    """Answer what is asked, in the form that its client reads. Cancelling tells upstream to stop and frees the slot."""
    tenant = await admit(exchange, services)
    await _served(exchange, services, tenant, *await take_in(exchange, services, tenant, _read))


def _served(
    exchange: Exchange, services: Services, tenant: Tenant, asked: ChatRequest | ResponseRequest, usage: bool | None
) -> Awaitable[None]:
    """What serves a request. No async function, whose frame would hold the conversation for as long as that takes."""
    if isinstance(asked, ChatRequest):
        return serve_answer(exchange, services, asked.wanted(), tenant)
    if usage is None:
        return serve_response(exchange, services, asked, tenant)
    return serve_as_chat(exchange, services, asked, tenant, include_usage=usage)


def _read(body: bytes) -> tuple[ChatRequest | ResponseRequest, bool | None]:
    """Read a body, and whether the client of a request for a response reads a chat completion; see `usage_asked`."""
    asked = read_as(ChatCompletionRequest, body)
    if not is_for_responses(asked):
        return as_request(asked), None
    return read_as(ResponseRequest, body), usage_asked(asked)
