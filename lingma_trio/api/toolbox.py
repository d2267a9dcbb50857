"""What every surface checks of the tools and the answer's format that a client declares.

Knows names and bounds: number and size are looked at before anything else is. Of a schema it asks no more than that it
is an object, since what cannot be judged by is no reason to refuse a question. Must not know in which fields of which
surface they came: a surface names the field at fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field
from pydantic_core import to_json

from lingma_trio.api.fields import json_object, optional_array, string
from lingma_trio.api.json_text import canonical
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool, Toolbox

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LISTED = 10_000
"""Entries of a list of tools, those included that are not declared to the model: what Anthropic's search may hold."""

MAX_TOOLS = 256
MAX_NAME_LENGTH = 128
MAX_TOOLS_SIZE = 1024 * 1024
"""Characters and bytes of all declarations: every one of them stands in the prompt."""

MAX_SCHEMA_SIZE = 256 * 1024
"""Bytes of an answer's schema."""

Listed: TypeAlias = Annotated[list[dict[str, Any]], Field(max_length=MAX_LISTED, fail_fast=True)]
"""A list of tools in a described request, each of which is read by the room that knows its kinds."""

_NAMESPACE_SEPARATOR: Final = "__"
_NAME = re.compile(rf"[A-Za-z0-9_.:/-]{{1,{MAX_NAME_LENGTH}}}")
_ANYTHING: dict[str, Any] = {"type": "object", "properties": {}}


def inner_name(name: str, namespace: str = "") -> str:
    """Return the name under which the model knows a client's tool, which may be one of a namespace."""
    return f"{namespace}{_NAMESPACE_SEPARATOR}{name}" if namespace else name


def listed_tools(value: object, *, param: str) -> list[Any]:
    """Return a list of tools, or of their names, as it is and an empty one for null.

    Raises `InvalidRequest` for anything else, and for more than anybody declares.
    """
    tools = optional_array(value, param=param)
    if len(tools) > MAX_LISTED:
        raise InvalidRequest(f"{param} must list no more than {MAX_LISTED} tools.", param=param)
    return tools


def declared_tool(
    name: str, description: str, parameters: object, *, param: str, schema_param: str, strict: bool = False
) -> Tool:
    """Return a tool as a client declares it; `parameters` is the JSON Schema of its arguments, None for no arguments.

    Raises `InvalidRequest` that names `param` for a name that no tool may have, and `schema_param` for a schema that is
    no object or not one of an object.
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(
            f"{param} must be 1 to {MAX_NAME_LENGTH} letters, digits and characters of `_.:/-`.", param=param
        )
    schema = _ANYTHING if parameters is None else json_object(parameters, param=schema_param)
    if isinstance(schema.get("type"), str) and schema["type"] != "object":
        raise InvalidRequest(f"{schema_param} must be the schema of an object.", param=schema_param)
    return Tool(name, description, schema, strict)


def toolbox(
    tools: Sequence[Tool],
    *,
    param: str,
    choice: Literal["auto", "none", "required"] = "auto",
    named: str = "",
    choice_param: str = "tool_choice",
    parallel: bool = True,
    absent: tuple[str, ...] = (),
) -> Toolbox | None:
    """Return the tools of a request and how they may be used, or None where there are none.

    `named` is the one tool that has to be called; `absent` is as in `Toolbox`. Raises `InvalidRequest` that names
    `param` for tools that are too many, too large or alike in name, and `choice_param` for a choice that these tools
    do not offer.
    """
    if len(tools) > MAX_TOOLS:
        raise InvalidRequest(f"{param} must hold no more than {MAX_TOOLS} tools.", param=param)
    size = 0
    for tool in tools:
        size += len(tool.name) + len(tool.description) + len(to_json(tool.parameters))
        if size > MAX_TOOLS_SIZE:
            raise InvalidRequest(f"{param} must have no more than {MAX_TOOLS_SIZE} characters in all.", param=param)
    names = [tool.name for tool in tools]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise InvalidRequest(f"{param} declares {twice} twice; give each tool a name of its own.", param=param)
    if named and named not in names:
        raise InvalidRequest(f"{choice_param} names a tool that is not declared.", param=choice_param)
    if choice == "required" and not tools:
        raise InvalidRequest(f"{choice_param} asks for a call, and no tools are declared.", param=choice_param)
    return Toolbox(tuple(tools), "required" if named else choice, named, parallel, absent=absent) if tools else None


def answer_format(schema: object, *, param: str, name: str = "", strict: bool = False) -> AnswerFormat:
    """Return the format of an answer that has to be JSON; `schema` is what says so, None for any object.

    Raises `InvalidRequest` that names `param` for a schema that is no object, or too large.
    """
    if schema is None:
        return AnswerFormat()
    held = json_object(schema, param=param)
    if len(to_json(held)) > MAX_SCHEMA_SIZE:
        raise InvalidRequest(f"{param} must have no more than {MAX_SCHEMA_SIZE} characters.", param=param)
    return AnswerFormat(held, name, strict)


def read_format(given: Mapping[str, Any], *, param: str, inner: str = "") -> AnswerFormat | None:
    """Return what OpenAI's field `param` asks of the answer, or None where it may be any text.

    `inner` is the field within it that holds name and schema, or empty where it holds them itself. Raises
    `InvalidRequest` that names the field at fault.
    """
    match given.get("type", "text"):
        case "text":
            return None
        case "json_object":
            return answer_format(None, param=param)
        case "json_schema":
            place = f"{param}.{inner}" if inner else param
            described = json_object(given.get(inner), param=place) if inner else given
            name = string(described.get("name"), param=f"{place}.name")
            schema = json_object(described.get("schema"), param=f"{place}.schema")
            if description := string(described.get("description"), param=f"{place}.description"):
                schema = {"description": description, **schema}  # where the model is told, and nothing judged by it
            return answer_format(schema, param=f"{place}.schema", name=name, strict=described.get("strict") is True)
        case _:
            raise InvalidRequest(f"{param}.type must be text, json_object or json_schema.", param=f"{param}.type")


def configuration(box: Toolbox | None, wanted: AnswerFormat | None) -> str:
    """Return canonical JSON of what a request has of both, or the empty string where it has nothing."""
    configured: dict[str, object] = {}
    if box is not None:
        configured["tools"] = [[tool.name, tool.description, dict(tool.parameters)] for tool in box.tools]
        configured["use"] = [box.choice, box.named, box.parallel]
    if wanted is not None:
        configured["format"] = None if wanted.schema is None else dict(wanted.schema)
    return canonical(configured) if configured else ""
