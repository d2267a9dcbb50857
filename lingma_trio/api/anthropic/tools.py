"""The tools and the answer's format of a request.

Knows Anthropic's fields; must not know the rest of the request.

Tools that Anthropic hosts, or whose schema it alone knows, are ignored: the gateway runs none. A tool whose loading is
deferred counts once the conversation refers to it, which is how a client that searches its tools loads one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from lingma_trio.api.fields import boolean, json_object, optional_object, required_string, string
from lingma_trio.api.toolbox import answer_format, configuration, declared_tool, listed_tools, toolbox
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool, Toolbox

_CHOICES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "any": "required",
    "tool": "required",
}


class ToolSettings(NamedTuple):
    """What a request says of tools and format; `configuration` is canonical JSON of both, empty without any."""

    toolbox: Toolbox | None
    answer_format: AnswerFormat | None
    configuration: str


def read_tools(fields: Mapping[str, Any], *, messages: list[Any]) -> ToolSettings:
    """Read the tools and the format of a request; `messages` are its own, as they came and checked.

    Marks for caching are no part of the configuration. Raises `InvalidRequest` whose `param` is the path of the field
    at fault.
    """
    listed = listed_tools(fields.get("tools"), param="tools")
    box = _read_toolbox(listed, fields.get("tool_choice"), messages)
    wanted = _read_format(fields)
    return ToolSettings(box, wanted, configuration(box, wanted))


def _read_toolbox(listed: list[Any], value: object, messages: list[Any]) -> Toolbox | None:
    referred = frozenset(_references(messages))
    read = (_read_tool(item, referred, param=f"tools[{index}]") for index, item in enumerate(listed))
    tools = [tool for tool in read if tool is not None]
    choice = optional_object(value, param="tool_choice")
    kind = choice.get("type", "auto")
    if not isinstance(kind, str) or kind not in _CHOICES:
        raise InvalidRequest(f"tool_choice.type must be one of {', '.join(_CHOICES)}.", param="tool_choice.type")
    return toolbox(
        tools,
        param="tools",
        choice=_CHOICES[kind],
        named=required_string(choice.get("name"), param="tool_choice.name") if kind == "tool" else "",
        parallel=not boolean(choice.get("disable_parallel_tool_use"), param="tool_choice.disable_parallel_tool_use"),
    )


def _read_tool(value: object, referred: frozenset[str], *, param: str) -> Tool | None:
    """Read a tool, None for one that does not count."""
    fields = json_object(value, param=param)
    if fields.get("type") not in (None, "custom"):
        return None
    name = required_string(fields.get("name"), param=f"{param}.name")
    if fields.get("defer_loading") is True and name not in referred:
        return None
    return declared_tool(
        name,
        string(fields.get("description"), param=f"{param}.description"),
        fields.get("input_schema"),
        param=f"{param}.name",
        schema_param=f"{param}.input_schema",
        strict=fields.get("strict") is True,
    )


def _references(messages: list[Any]) -> Iterator[str]:
    """The tools that results in the conversation refer to."""
    for message in messages:
        for block in _blocks(message):
            for reference in _blocks(block):
                if reference.get("type") == "tool_reference" and isinstance(reference.get("tool_name"), str):
                    yield reference["tool_name"]


def _blocks(value: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    content = value.get("content")
    if isinstance(content, list):
        yield from (block for block in content if isinstance(block, dict))


def _read_format(fields: Mapping[str, Any]) -> AnswerFormat | None:
    """Read the format from `output_config`, or from the field that it was in before."""
    config = optional_object(fields.get("output_config"), param="output_config")
    param = "output_format" if config.get("format") is None else "output_config.format"
    given = optional_object(config.get("format") or fields.get("output_format"), param=param)
    if given.get("type") is None:
        return None
    if given["type"] != "json_schema":
        raise InvalidRequest(f"{param}.type must be json_schema.", param=f"{param}.type")
    schema = json_object(given.get("schema"), param=f"{param}.schema")
    return answer_format(schema, param=f"{param}.schema", strict=True)
