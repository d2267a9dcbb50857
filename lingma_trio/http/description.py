"""What the gateway says of its own API: the OpenAPI document, the page made of it, and what it can do as it runs.

Knows where the facts stand; must not know the descriptions, which are loaded for the first who asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from lingma_trio import __version__
from lingma_trio.http.page.wording import Language, choose_language
from lingma_trio.threads import DISK

if TYPE_CHECKING:
    from lingma_trio.http.exchange import Exchange
    from lingma_trio.http.services import Services

_HTML = b"text/html; charset=utf-8"
_NOTHING_FROM_ELSEWHERE = (
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; "
            b"base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"vary", b"accept-language"),
)


async def show_document(exchange: Exchange, services: Services) -> None:
    """The OpenAPI document. The same for every gateway of this version, so it is open to anybody."""
    del services
    text = await DISK.run(_document_text)
    await exchange.respond(200, text)


async def show_page(exchange: Exchange, services: Services) -> None:
    """The same as a page in the visitor's language, which loads nothing from elsewhere."""
    del services
    language = choose_language(exchange.head.text(b"accept-language"))
    page = await DISK.run(_page_text, language)
    await exchange.respond(200, page, content_type=_HTML, headers=_NOTHING_FROM_ELSEWHERE)


async def show_capabilities(exchange: Exchange, services: Services) -> None:
    """What can be asked of this gateway at this moment, as `Capabilities` describes it."""
    services.gatekeeper.admit(exchange)
    await exchange.respond(200, to_json(_capabilities(services, await DISK.run(_surfaces))))


def _document_text() -> bytes:
    from lingma_trio.http.documents import document_text  # noqa: PLC0415 - see there

    return document_text()


def _page_text(language: Language) -> bytes:
    from lingma_trio.http.documents import page_text  # noqa: PLC0415 - see there

    return page_text(language)


def _surfaces() -> list[dict[str, Any]]:
    from lingma_trio.http.documents import surfaces  # noqa: PLC0415 - see there

    return surfaces()


def _capabilities(services: Services, surfaces: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "object": "capabilities",
        "version": __version__,
        "upstream": services.upstream,
        "dialect": _dialect(services),
        "surfaces": surfaces,
        "tools": _tools(services),
        "formats": ["text", "json_object", "json_schema"],
        "images": _images(services),
        "limits": _limits(services),
        "models": _models(services),
    }


def _dialect(services: Services) -> str | None:
    ready = (instance for instance in services.pool.instances if instance.standing.fault() is None)
    return next((instance.dialect for instance in ready), None)


def _tools(services: Services) -> dict[str, Any]:
    return {
        "native": services.dialogues.tool_mode == "agent",
        "emulated": True,
        "choices": ["none", "auto", "required", "named"],
        "parallel": True,
    }


def _images(services: Services) -> dict[str, Any]:
    pictures = services.pictures
    return {
        "sources": ["data", "http", "https"] if pictures.enabled else ["data"],
        "max_bytes": pictures.bounds.max_size,
        "without_vision": pictures.fallback,
    }


def _limits(services: Services) -> dict[str, Any]:
    return {
        "max_in_flight": services.limiter.limit,
        "max_queue": services.limiter.max_queue,
        "queue_timeout_seconds": services.limiter.queue_timeout,
        "request_timeout_seconds": services.bounds.request_timeout,
        "max_request_bytes": services.bounds.max_request,
    }


def _models(services: Services) -> list[dict[str, Any]]:
    default = services.dialogues.default_model
    return [
        {
            "id": model.key,
            "name": model.name,
            "default": model.key == default,
            "vision": model.sees,
            "reasoning": model.reasons,
            "max_input_tokens": model.max_input_tokens,
        }
        for model in services.pool.catalogue.models
    ]
