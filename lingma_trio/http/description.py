"""What the gateway says of its own API: the OpenAPI document, the page made of it, and what it can do as it runs.

Knows the descriptions and where the facts stand; must not know how a document is written.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import trio
from pydantic_core import from_json, to_json

from lingma_trio import __version__
from lingma_trio.api.openapi.document import build_document
from lingma_trio.api.openapi.operations import ANSWERS, OPERATIONS
from lingma_trio.api.openapi.page import build_page
from lingma_trio.http.page.rendering import EDITION
from lingma_trio.http.page.wording import Language, choose_language

if TYPE_CHECKING:
    from lingma_trio.http.exchange import Exchange
    from lingma_trio.http.services import Services

TITLE = "lingma-trio"
ABOUT = (
    "A gateway in front of Lingma that speaks OpenAI's, Anthropic's and Ollama's APIs. The paths under /v1 work "
    "without that prefix as well. A client that sends an anthropic-version header is given models and faults in "
    "Anthropic's form, and Ollama's clients have theirs under /api. Every response has an x-request-id."
)
_CHINESE = files("lingma_trio.http.page").joinpath("api_chinese.json").read_bytes()
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
    text = await trio.to_thread.run_sync(_document_text)
    await exchange.respond(200, text)


async def show_page(exchange: Exchange, services: Services) -> None:
    """The same as a page in the visitor's language, which loads nothing from elsewhere."""
    del services
    language = choose_language(exchange.head.text(b"accept-language"))
    page = await trio.to_thread.run_sync(page_text, language)
    await exchange.respond(200, page, content_type=_HTML, headers=_NOTHING_FROM_ELSEWHERE)


async def show_capabilities(exchange: Exchange, services: Services) -> None:
    """What can be asked of this gateway at this moment, as `Capabilities` describes it."""
    services.gatekeeper.admit(exchange)
    await exchange.respond(200, to_json(_capabilities(services)))


# Building takes long enough to be seen in everybody's streams, hence once, and in a thread.
@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of this version."""
    return build_document(OPERATIONS, title=TITLE, about=ABOUT, version=__version__)


@cache
def _document_text() -> bytes:
    return to_json(document())


@cache
def page_text(language: Language) -> bytes:
    """The page in one language; a text that is not known in it stays as it is."""
    style, *scripts = (f"/page/{name}?v={EDITION}" for name in ("style.css", "copy.js", "api.js"))
    said = chinese() if language == "zh" else {}
    tag = "zh-CN" if language == "zh" else "en"
    return build_page(
        document(), lambda text: said.get(text, text), language=tag, style=style, scripts=scripts
    ).encode()


def chinese() -> dict[str, str]:
    """Every text of the page, by its English."""
    said: dict[str, str] = from_json(_CHINESE)
    return said


def _capabilities(services: Services) -> dict[str, Any]:
    surfaces = (each for each in OPERATIONS if each.asked is not None and each.room == ANSWERS)
    return {
        "object": "capabilities",
        "version": __version__,
        "upstream": services.upstream,
        "dialect": _dialect(services),
        "surfaces": [{"path": surface.path, "streaming": surface.streams} for surface in surfaces],
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
