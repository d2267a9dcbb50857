"""The tools and the answer's format of a chat request, in the newer fields and in those they replaced.

Knows OpenAI's fields; must not know the rest of the request.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from lingma_trio.api.fields import (
    boolean,
    invalid,
    json_object,
    optional_object,
    required_string,
    string,
)
from lingma_trio.api.toolbox import configuration, declared_tool, listed_tools, read_format, toolbox
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool, Toolbox

Choice = Literal["auto", "none", "required"]
_CHOICES: dict[str, Choice] = {"auto": "auto", "none": "none", "required": "required"}


class ToolSettings(NamedTuple):
    """What a request says of tools and format. `legacy` says that it declares `functions` and not `tools`."""

    toolbox: Toolbox | None
    answer_format: AnswerFormat | None
    configuration: str
    legacy: bool


class _Choosing(NamedTuple):
    """How tools may be used: `named` has to be called, and no others than `among` are, where it names any."""

    choice: Choice
    named: str = ""
    among: frozenset[str] = frozenset()


def read_tools(fields: dict[str, Any]) -> ToolSettings:
    """Read the tools and the format of a request.

    `configuration` is canonical JSON of all of it, empty where there is nothing. Raises `InvalidRequest` whose `param`
    is the path of the field at fault.
    """
    listed = listed_tools(fields.get("tools"), param="tools")
    functions = listed_tools(fields.get("functions"), param="functions")
    legacy = bool(functions) and not listed
    tools = (
        [_read_function(item, param=f"functions[{at}]") for at, item in enumerate(functions)]
        if legacy
        else [_read_tool(item, param=f"tools[{at}]") for at, item in enumerate(listed)]
    )
    choice_param, unused = ("function_call", "tool_choice") if legacy else ("tool_choice", "function_call")
    _name_or_object(fields.get(unused), param=unused)
    choosing = _read_choice(fields.get(choice_param), bool(tools), param=choice_param)
    if choosing.among:
        tools = _narrowed(tools, choosing.among, param=choice_param)
    parallel = fields.get("parallel_tool_calls")
    box = toolbox(
        tools,
        param="functions" if legacy else "tools",
        choice=choosing.choice,
        named=choosing.named,
        choice_param=choice_param,
        parallel=not legacy and (parallel is None or boolean(parallel, param="parallel_tool_calls")),
    )
    wanted = optional_object(fields.get("response_format"), param="response_format")
    shape = read_format(wanted, param="response_format", inner="json_schema")
    return ToolSettings(box, shape, configuration(box, shape), legacy)


def _read_tool(value: object, *, param: str) -> Tool:
    tool = json_object(value, param=param)
    if tool.get("type", "function") != "function":
        raise InvalidRequest(
            f"{param}.type must be function: the gateway runs no tools of its own.", param=f"{param}.type"
        )
    return _read_function(tool.get("function"), param=f"{param}.function")


def _read_function(value: object, *, param: str) -> Tool:
    function = json_object(value, param=param)
    return declared_tool(
        required_string(function.get("name"), param=f"{param}.name"),
        string(function.get("description"), param=f"{param}.description"),
        function.get("parameters"),
        param=f"{param}.name",
        schema_param=f"{param}.parameters",
        strict=function.get("strict") is True,
    )


def _read_choice(value: object, tools: bool, *, param: str) -> _Choosing:
    """Read a choice; one that has nothing to choose from is only looked at for its kind, as clients leave it in."""
    value = _name_or_object(value, param=param)
    if not value:
        return _Choosing("auto")
    if isinstance(value, str):
        if value not in _CHOICES:
            raise InvalidRequest(
                f"{param} must be one of {', '.join(_CHOICES)}, or an object that names a tool.", param=param
            )
        return _Choosing(_CHOICES[value])
    if not tools:
        return _Choosing("auto")
    if param == "function_call":
        return _Choosing("required", required_string(value.get("name"), param=f"{param}.name"))
    if value.get("type") == "allowed_tools":
        return _read_allowed(value.get("allowed_tools"), param=f"{param}.allowed_tools")
    function = json_object(value.get("function"), param=f"{param}.function")
    return _Choosing("required", required_string(function.get("name"), param=f"{param}.function.name"))


def _read_allowed(value: object, *, param: str) -> _Choosing:
    allowed = json_object(value, param=param)
    mode = allowed.get("mode", "auto")
    if mode not in ("auto", "required"):
        raise InvalidRequest(f"{param}.mode must be auto or required.", param=f"{param}.mode")
    names = []
    for at, item in enumerate(listed_tools(allowed.get("tools"), param=f"{param}.tools")):
        path = f"{param}.tools[{at}].function"
        function = json_object(json_object(item, param=f"{param}.tools[{at}]").get("function"), param=path)
        names.append(required_string(function.get("name"), param=f"{path}.name"))
    if not names:
        raise InvalidRequest(f"{param}.tools must name at least one tool.", param=f"{param}.tools")
    return _Choosing(mode, among=frozenset(names))


def _narrowed(tools: list[Tool], among: frozenset[str], *, param: str) -> list[Tool]:
    allowed = [tool for tool in tools if tool.name in among]
    if len(allowed) < len(among):
        raise InvalidRequest(f"{param} names a tool that is not declared.", param=param)
    return allowed


def _name_or_object(value: object, *, param: str) -> str | dict[str, Any] | None:
    if value is None or isinstance(value, str | dict):
        return value
    raise invalid(param, "a string or an object", value)
