"""Ollama's API: chat and generate, and what it tells of models."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import trio

from lingma_trio.api.ollama.figures import Watch
from lingma_trio.api.ollama.models import running_list, shown_body, tag_list, version_body
from lingma_trio.api.ollama.request import Loading, OllamaRequest, parse_show
from lingma_trio.http.answering import serve_answer
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.intake import admit, take_in
from lingma_trio.http.model_list import listed_model, listed_models
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant

LINES = b"application/x-ndjson"


class Asking:
    """A handler for the requests of chat or of generate; `parse` reads a body and raises `InvalidRequest`."""

    def __init__(self, parse: Callable[[bytes, Watch], OllamaRequest | Loading]) -> None:
        self._parse = parse

    async def __call__(self, exchange: Exchange, services: Services) -> None:
        """Serve one request. Cancelling it tells upstream to stop and frees the slot."""
        exchange.stream_type = LINES
        tenant = await admit(exchange, services)
        watch = Watch(exchange.progress.began, trio.current_time)

        def parse(body: bytes) -> OllamaRequest | Loading:
            return self._parse(body, watch)

        await _served(exchange, services, tenant, await take_in(exchange, services, tenant, parse))


def _served(exchange: Exchange, services: Services, tenant: Tenant, asked: OllamaRequest | Loading) -> Awaitable[None]:
    """What serves a request. No async function, whose frame would hold the conversation for as long as that takes."""
    if isinstance(asked, Loading):
        return _load(exchange, services, tenant, asked)
    return serve_answer(exchange, services, asked, tenant, timed=True)


async def _load(exchange: Exchange, services: Services, tenant: Tenant, asked: Loading) -> None:
    """Say that the model is there, of which Lingma need not be asked."""
    if asked.ignored:
        exchange.tell_ignored(asked.ignored)
    names = services.dialogues.names_of(asked.model)
    tenant.check_model(*names)
    await exchange.respond(200, asked.body(model=names[0], created=int(time.time())))


async def show_version(exchange: Exchange, services: Services) -> None:
    """The version of the API, by which clients find out that somebody is here; open to anybody."""
    del services
    await exchange.respond(200, version_body())


async def list_tags(exchange: Exchange, services: Services) -> None:
    """The models that can be asked for."""
    models = listed_models(services, services.gatekeeper.admit(exchange)).values()
    await exchange.respond(200, tag_list(tuple(models), family=services.owner, created=services.created))


async def list_running(exchange: Exchange, services: Services) -> None:
    """The same: nothing has to be loaded before it is asked."""
    models = listed_models(services, services.gatekeeper.admit(exchange)).values()
    await exchange.respond(200, running_list(tuple(models), family=services.owner))


async def show_model(exchange: Exchange, services: Services) -> None:
    """One model, by alias, key or display name."""
    tenant = services.gatekeeper.admit(exchange)
    wanted = await take_in(exchange, services, tenant, parse_show)
    model = listed_model(services, tenant, wanted)
    await exchange.respond(200, shown_body(model, family=services.owner, created=services.created))
