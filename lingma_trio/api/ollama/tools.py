"""The tools and the answer's format of a request, as Ollama has them.

Knows their kinds; must not know the rest of the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lingma_trio.api.fields import string
from lingma_trio.api.hosted import absent, hosted, unknown
from lingma_trio.api.openai.choice import read_choice
from lingma_trio.api.openai.tools import read_function
from lingma_trio.api.toolbox import answer_format, toolbox
from lingma_trio.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lingma_trio.turns import AnswerFormat, Toolbox


def read_tools(given: Iterable[dict[str, Any]], choice: str | dict[str, Any] | None = None) -> Toolbox | None:
    """Read the tools that a request declares, and `tool_choice`.

    Raises `InvalidRequest` whose `param` is the field at fault.
    """
    tools, elsewhere = [], []
    for at, item in enumerate(given):
        kind = string(item.get("type"), param=f"tools[{at}].type") or "function"
        if kind == "function":
            tools.append(read_function(item.get("function"), param=f"tools[{at}].function"))
        elif hosted(kind):
            elsewhere.append(kind)
        else:
            raise unknown(kind, param=f"tools[{at}]")
    choosing = read_choice(choice, param="tool_choice")
    return toolbox(
        choosing.allowed(tools),
        param="tools",
        choice=choosing.choice,
        named=choosing.named,
        absent=absent(elsewhere, declared=bool(tools) or choosing.choice == "none", param="tools"),
    )


def read_format(given: str | dict[str, Any] | None) -> AnswerFormat | None:
    """Read `format`, where an empty text is none; raises `InvalidRequest` for a text that is no format's name."""
    if given is None or given == "":
        return None
    if isinstance(given, dict):
        return answer_format(given, param="format")
    if given == "json":
        return answer_format(None, param="format")
    raise InvalidRequest("format must be json, or a JSON Schema.", param="format")
