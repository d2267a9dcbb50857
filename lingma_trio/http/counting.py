"""How many tokens a prompt has: the gateway's own estimate, which needs neither Lingma nor a slot."""

from __future__ import annotations

from lingma_trio.api.anthropic.request import read_for_count
from lingma_trio.api.anthropic.usage import count_body
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.intake import admit
from lingma_trio.http.messages import take_message
from lingma_trio.http.services import Services
from lingma_trio.policy.prompt_tokens import estimate_prompt


async def count_tokens(exchange: Exchange, services: Services) -> None:
    """The tokens of a request for a message, read as if it were to be answered; nothing is kept."""
    request = await take_message(exchange, services, await admit(exchange, services), read_for_count)
    tokens = await exchange.held.work(estimate_prompt, request.prompt)
    await exchange.respond(200, count_body(tokens))
