"""What the gateway says of its own API whoever runs it: the OpenAPI document, the page made of it, and the surfaces.

Every answer is described in here by a model of its own, so that all of it is more than a megabyte, and few gateways are
ever asked: who wants it imports it then, in a thread.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from pydantic_core import from_json, to_json

from lingma_trio import __version__
from lingma_trio.api.openapi.document import build_document
from lingma_trio.api.openapi.operations import ANSWERS, OPERATIONS
from lingma_trio.api.openapi.page import build_page
from lingma_trio.http.page.rendering import EDITION
from lingma_trio.http.page.wording import Language

TITLE = "lingma-trio"
ABOUT = (
    "A gateway in front of Lingma that speaks OpenAI's, Anthropic's and Ollama's APIs. The paths under /v1 work "
    "without that prefix as well. A client that sends an anthropic-version header is given models and faults in "
    "Anthropic's form, and Ollama's clients have theirs under /api. Every response has an x-request-id."
)
_CHINESE = files("lingma_trio.http.page").joinpath("api_chinese.json").read_bytes()


# Building takes long enough to be seen in everybody's streams, hence once, and in a thread as well.
@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of this version."""
    return build_document(OPERATIONS, title=TITLE, about=ABOUT, version=__version__)


@cache
def document_text() -> bytes:
    """The same as JSON."""
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


def surfaces() -> list[dict[str, Any]]:
    """The paths that answer, and which of them stream."""
    answering = (each for each in OPERATIONS if each.asked is not None and each.room == ANSWERS)
    return [{"path": surface.path, "streaming": surface.streams} for surface in answering]
