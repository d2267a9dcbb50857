"""How many tokens a prompt has: the gateway's own estimate, which needs neither Lingma nor a slot."""

from __future__ import annotations

from lingma_trio.api.anthropic.request import parse
from lingma_trio.api.anthropic.usage import count_body
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.intake import admit, take_in
from lingma_trio.http.services import Services
from lingma_trio.policy.prompt_tokens import estimate_prompt


async def count_tokens(exchange: Exchange, services: Services) -> None:
    """The tokens of a request for a message, read as if it were to be answered."""
    tenant = admit(exchange, services)
    tokens = await take_in(exchange, services, tenant, _count)
    await exchange.respond(200, count_body(tokens))


def _count(body: bytes) -> int:
    return estimate_prompt(parse(body).prompt)
