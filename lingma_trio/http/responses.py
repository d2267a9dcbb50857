"""The Responses API: answers that can be continued, and what is kept of them.

A response is kept by a statement that only a finished answer reaches, for the API key that asked for it and nobody
else, and only where its client wants it kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs
from uuid import uuid4

from pydantic_core import to_json

from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.encoder import Encoder
from lingma_trio.api.responses.as_chat import as_chat
from lingma_trio.api.responses.asked import ResponseRequest as Asked
from lingma_trio.api.responses.compaction import to_sum_up
from lingma_trio.api.responses.memory import Memory, check_reach, recall, references
from lingma_trio.api.responses.page import item_page, read_page
from lingma_trio.api.responses.request import ResponseEncoder, ResponseRequest, read_request
from lingma_trio.errors import InvalidRequest, ResponseNotFound
from lingma_trio.http.answering import serve_answer
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.holding import Holding
from lingma_trio.http.intake import admit, take_in
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant
from lingma_trio.policy.prompt_tokens import estimate_prompt
from lingma_trio.policy.response_store import Encoded, StoredResponse
from lingma_trio.state.responses import Responses

MOST_QUERY_FIELDS = 100
_PREFIX = "resp_"


async def create_response(exchange: Exchange, services: Services) -> None:
    """Answer a request. Cancelling it tells upstream to stop, frees the slot and keeps nothing."""
    tenant = await admit(exchange, services)
    await serve_response(exchange, services, await take_in(exchange, services, tenant, read_asked), tenant)


def read_asked(body: bytes) -> Asked:
    """Read the body of a request for a response; raises what `read_as` does."""
    return read_as(Asked, body)


async def serve_response(exchange: Exchange, services: Services, asked: Asked, tenant: Tenant) -> None:
    """Answer what `tenant` asked; as `create_response`."""
    kept = Kept(services.responses, tenant.id, exchange)
    request = await _read(exchange, services, asked, kept, uuid4().hex)
    del asked  # which holds the texts a second time, for as long as the answer takes

    async def keep(encoder: Encoder) -> None:
        assert isinstance(encoder, ResponseEncoder)
        if request.store and encoder.result is not None:
            await kept.keep(request, encoder.result)

    await serve_answer(exchange, services, request, tenant, completed=keep)


async def serve_as_chat(
    exchange: Exchange, services: Services, asked: Asked, tenant: Tenant, *, include_usage: bool
) -> None:
    """Answer what `tenant` asked with a chat completion, which is not kept."""
    request = await _read(exchange, services, asked, Kept(services.responses, tenant.id, exchange))
    del asked  # which holds the texts a second time, for as long as the answer takes
    await serve_answer(exchange, services, as_chat(request, include_usage=include_usage), tenant)


async def _read(
    exchange: Exchange, services: Services, asked: Asked, kept: Kept, identity: str = ""
) -> ResponseRequest:
    """Read a request. What it refers to is found first, is its own from then on, and counts as its bytes."""
    before = exchange.held.size
    memory = await kept.recall(asked, services.bounds.max_request)
    exchange.held.take(memory.size - (exchange.held.size - before))  # less what was counted as it was brought
    exchange.held.laborious |= memory.size > 0  # what is kept may hold files
    return await exchange.held.work(read_request, asked, memory, identity)


async def count_input(exchange: Exchange, services: Services) -> None:
    """The tokens of a request for a response, read as if it were to be answered."""
    request = await _take(exchange, services, await admit(exchange, services))
    tokens = await exchange.held.work(estimate_prompt, request.prompt)
    await exchange.respond(200, to_json({"object": "response.input_tokens", "input_tokens": tokens}))


async def sum_up(exchange: Exchange, services: Services) -> None:
    """Have a conversation summed up, by a turn of its own. Cancelling tells upstream to stop and frees the slot."""
    tenant = await admit(exchange, services)
    await serve_answer(exchange, services, to_sum_up(await _take(exchange, services, tenant)), tenant)


async def _take(exchange: Exchange, services: Services, tenant: Tenant) -> ResponseRequest:
    """Take in and read a request of which nothing is kept."""
    asked = await take_in(exchange, services, tenant, read_asked)
    return await _read(exchange, services, asked, Kept(services.responses, tenant.id, exchange))


async def one_response(exchange: Exchange, services: Services) -> None:
    """Show one kept response as it was given to its client, or forget it."""
    kept, identity = _named(exchange, services)
    if exchange.scope["method"] == "DELETE":
        if not await kept.forget(identity):
            raise _not_found()
        await exchange.respond(200, to_json({"id": identity, "object": "response", "deleted": True}))
        return
    if _query(exchange).get("stream", "").lower() in ("true", "1"):
        raise InvalidRequest("stream must be false: a response that is complete is given in one piece", param="stream")
    await exchange.respond(200, (await _wanted(kept, identity)).told.json)


async def list_input_items(exchange: Exchange, services: Services) -> None:
    """The items that a kept response answered, those of the responses it followed included."""
    kept, identity = _named(exchange, services)
    found = await _wanted(kept, identity)
    earlier = [] if found.before is None else found.before.lineage()
    items = tuple(item for response in earlier for item in response.items) + found.given
    await exchange.respond(200, item_page(items, read_page(_query(exchange))))


class Kept:
    """What is kept for one tenant. An id of Anthropic's messages, which are kept beside it, is none of a response.

    What has to be brought from elsewhere counts as bytes of the `exchange` that asks before it is.
    """

    def __init__(self, responses: Responses, tenant: str, exchange: Exchange) -> None:
        self._responses = responses
        self._tenant = tenant
        self._trips = exchange.trips
        self._held = exchange.held

    async def find(self, identity: str, check: Callable[[int], None] | None = None) -> StoredResponse | None:
        """Return the response of this id, or None; `check` as in `Responses.find`.

        Raises `BytesExceeded` where there is no room to bring it.
        """
        if not identity.startswith(_PREFIX):
            return None

        def count(size: int) -> None:
            if check is not None:
                check(size)
            self._held.take(size)

        return await self._responses.find(self._tenant, identity, count, self._trips)

    async def recall(self, asked: Asked, most: int) -> Memory:
        """Return what a request refers to, as `recall` reads it; of it all `most` bytes may be read."""
        before = None
        if identity := asked.previous_response_id:
            before = await self.find(identity, partial(check_reach, most=most, param="previous_response_id"))
        names = references(asked)
        items = await self._responses.items(self._tenant, names, most, self._trips) if names else {}
        return recall(asked, before, items, most=most)

    async def keep(self, request: ResponseRequest, result: Encoded) -> None:
        """Keep a finished response."""
        response = StoredResponse(request.given, result, request.before)
        await self._responses.put(self._tenant, _PREFIX + request.identity, response, self._trips)

    async def forget(self, identity: str) -> bool:
        """Forget the response of this id; whether there was one. What follows it keeps what it held."""
        return identity.startswith(_PREFIX) and await self._responses.remove(self._tenant, identity)


def _named(exchange: Exchange, services: Services) -> tuple[Kept, str]:
    tenant = services.gatekeeper.admit(exchange)
    exchange.held = Holding(services.byte_budget, tenant.id, tenant.at_work)
    return Kept(services.responses, tenant.id, exchange), exchange.scope["path_params"]["response"]


async def _wanted(kept: Kept, identity: str) -> StoredResponse:
    found = await kept.find(identity)
    if found is None:
        raise _not_found()
    return found


def _not_found() -> ResponseNotFound:
    return ResponseNotFound("no response of this id is kept for this key, or no longer", param="response_id")


def _query(exchange: Exchange) -> dict[str, str]:
    """The query's fields, each with its last value."""
    query = exchange.scope["query_string"].decode("utf-8", "replace")
    try:
        return {name: values[-1] for name, values in parse_qs(query, max_num_fields=MOST_QUERY_FIELDS).items()}
    except ValueError as fault:
        raise InvalidRequest(f"the query must have no more than {MOST_QUERY_FIELDS} fields", param="query") from fault
