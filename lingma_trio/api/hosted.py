"""Tools that a vendor runs beside its model, of which Lingma has none.

Knows their kinds on every surface; must not know a surface's fields. The rule is one for all: beside other tools the
model is told that it has none of these, so that it neither uses nor invents them; where a hosted tool is all that is
asked for, or is the one that has to be called, there is nothing to serve and the request is refused by its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lingma_trio.api.fields import safe_kind
from lingma_trio.errors import InvalidRequest

_NAMELESS: Final = "of that name"
_BY_BEGINNING: Final = {
    "web_search": "web search",
    "web_fetch": "fetching of web pages",
    "file_search": "search in uploaded files",
    "code_interpreter": "running of code",
    "code_execution": "running of code",
    "image_generation": "generation of images",
    "computer": "use of a computer",
    "mcp": "tools of MCP servers",
    "advisor": "advice of another model",
    "tool_search_tool": "search among tools",
    "programmatic_tool_calling": "running of code",
}
"""Vendors put versions and `_preview` behind these, and the gateway need not learn each of them."""


def hosted(kind: str) -> str:
    """Return what a hosted tool of this kind is, in words; empty for a kind that is not known as hosted."""
    return next((words for beginning, words in _BY_BEGINNING.items() if kind.startswith(beginning)), "")


def absent(kinds: Iterable[str], *, declared: bool, param: str) -> tuple[str, ...]:
    """Return in words which hosted tools a request asks for, each once, for `Toolbox.absent`.

    `declared` says that there are other tools beside them. Raises `InvalidRequest` that names `param` where there are
    none: such a request is for the hosted tool, and an answer without it would pass for its result.
    """
    named = dict.fromkeys(kinds)
    if named and not declared:
        raise refused(next(iter(named)), param=param)
    return tuple(dict.fromkeys(hosted(kind) or kind for kind in named))


def unknown(kind: str, *, param: str) -> InvalidRequest:
    """Return the fault of a tool whose kind is not known here, on OpenAI's surfaces."""
    param = f"{param}.type"
    return InvalidRequest(
        f"{param} {safe_kind(kind, _NAMELESS)} is not known here; declare the tool as a function.", param=param
    )


def refused(kind: str, *, param: str) -> InvalidRequest:
    """Return the fault of a request that cannot be served without the hosted tool of this kind."""
    words = hosted(kind)
    kind = safe_kind(kind, _NAMELESS)
    known = f" ({words})" if words else ""
    return InvalidRequest(
        f"{param} asks for {kind}{known}, which Lingma does not have and the gateway does not run. Leave it out, or"
        " declare a tool of your own that your client runs.",
        param=param,
    )
