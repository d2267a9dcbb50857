"""How many tokens a prompt has: the gateway's own estimate, which needs neither Lingma nor a slot."""

from __future__ import annotations

from lingma_trio.api.anthropic.request import parse
from lingma_trio.api.anthropic.usage import count_body
from lingma_trio.http.answering import read_body
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.services import Services
from lingma_trio.policy.prompt_tokens import estimate_prompt


async def count_tokens(exchange: Exchange, services: Services) -> None:
    """The tokens of a request for a message, read as if it were to be answered."""
    services.gatekeeper.admit(exchange)
    request = parse(await read_body(exchange, services))
    await exchange.respond(200, count_body(estimate_prompt(request.prompt)))
