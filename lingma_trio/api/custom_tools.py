"""Custom tools, which take one text and not an object, as functions of one argument and back.

Knows how OpenAI describes them, on both of its surfaces; must not know in which fields of a request they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json

from lingma_trio.api.fields import optional_object, string
from lingma_trio.api.json_text import canonical, encodable

INPUT: Final = "input"
"""The one argument of a custom tool as the model sees it: the free text that its client is given."""

PARAMETERS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {INPUT: {"type": "string", "description": "The tool's whole input, as plain text."}},
    "required": [INPUT],
    "additionalProperties": False,
}


def description(tool: Mapping[str, Any], *, param: str) -> str:
    """Return what the model is told of a custom tool: what it does, and the grammar that its text has to match.

    Raises `InvalidRequest` that names the field at fault.
    """
    said = string(tool.get("description"), param=f"{param}.description")
    form = optional_object(tool.get("format"), param=f"{param}.format")
    if form.get("type") != "grammar":
        return said
    # Chat completions have what says it one level deeper.
    deeper = form.get("grammar")
    grammar = deeper if isinstance(deeper, dict) else form
    syntax = string(grammar.get("syntax"), param=f"{param}.format.syntax")
    definition = string(grammar.get("definition"), param=f"{param}.format.definition")
    return f"{said}\n\nThe input has to match this {syntax} grammar:\n{definition}".strip()


def as_arguments(text: str) -> str:
    """Return a custom tool's input as the arguments of the function that stands for it."""
    return canonical({INPUT: text})


def as_input(arguments: str) -> str:
    """Return the text that a client is given: the one argument, or whatever the model wrote in its place."""
    value = from_json(arguments) if arguments else {}
    text = value.get(INPUT) if isinstance(value, dict) else None
    return encodable(text if isinstance(text, str) else arguments)
