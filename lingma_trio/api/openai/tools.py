"""The tools and the answer's format of a chat request, in the newer fields and in those they replaced.

Knows OpenAI's fields; must not know the rest of the request.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from lingma_trio.api import custom_tools
from lingma_trio.api.fields import json_object, required_string, string
from lingma_trio.api.hosted import absent, hosted, refused, unknown
from lingma_trio.api.openai.asked import ChatCompletionRequest
from lingma_trio.api.toolbox import configuration, declared_tool, listed_tools, read_format, toolbox
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool, Toolbox

Choice = Literal["auto", "none", "required"]
_CHOICES: dict[str, Choice] = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


class ToolSettings(NamedTuple):
    """What a request says of tools and format.

    `legacy` says that it declares `functions` and not `tools`; `custom` names the tools that take a text.
    """

    toolbox: Toolbox | None
    answer_format: AnswerFormat | None
    configuration: str
    legacy: bool
    custom: frozenset[str] = frozenset()


class _Choosing(NamedTuple):
    """How tools may be used: `named` has to be called, and no others than `among` are, where it names any."""

    choice: Choice
    named: str = ""
    among: frozenset[str] = frozenset()


def read_tools(asked: ChatCompletionRequest) -> ToolSettings:
    """Read the tools and the format of a request.

    `configuration` is canonical JSON of all of it, empty where there is nothing. Raises `InvalidRequest` whose `param`
    is the path of the field at fault.
    """
    functions = asked.functions or []
    legacy = bool(functions) and not asked.tools
    read = _Read()
    for at, item in enumerate(functions if legacy else asked.tools or ()):
        if legacy:
            read.tools.append(_read_function(item, param=f"functions[{at}]"))
        else:
            read.add(item, param=f"tools[{at}]")
    param = "functions" if legacy else "tools"
    missing = absent(read.hosted, declared=bool(read.tools), param=param)
    if asked.web_search_options is not None:
        missing += absent(["web_search"], declared=bool(read.tools), param="web_search_options")
    choice_param = "function_call" if legacy else "tool_choice"
    choosing = _read_choice(asked.function_call if legacy else asked.tool_choice, bool(read.tools), param=choice_param)
    tools = _narrowed(read.tools, choosing.among, param=choice_param) if choosing.among else read.tools
    box = toolbox(
        tools,
        param=param,
        choice=choosing.choice,
        named=choosing.named,
        choice_param=choice_param,
        parallel=not legacy and asked.parallel_tool_calls is not False and not _forbids_several(asked.tool_choice),
        absent=tuple(dict.fromkeys(missing)),
    )
    shape = read_format(asked.response_format or {}, param="response_format", inner="json_schema")
    return ToolSettings(box, shape, configuration(box, shape), legacy, frozenset(read.custom))


class _Read:
    """The tools that a request declares, which of them take a text, and the kinds that a vendor would run."""

    def __init__(self) -> None:
        self.tools: list[Tool] = []
        self.custom: list[str] = []
        self.hosted: list[str] = []

    def add(self, tool: dict[str, Any], *, param: str) -> None:
        """Read one entry: in the form of chat completions, of responses, or of Anthropic's messages."""
        kind = string(tool.get("type"), param=f"{param}.type") or "function"
        if "input_schema" in tool and kind in ("function", "custom"):
            self.tools.append(_read_function(tool, param=param, schema="input_schema"))
        elif kind == "function":
            inner = tool.get("function") is not None or tool.get("name") is None
            self.tools.append(
                _read_function(tool.get("function"), param=f"{param}.function")
                if inner
                else _read_function(tool, param=param)
            )
        elif kind == "custom":
            self._add_custom(tool, param=param)
        elif hosted(kind):
            self.hosted.append(kind)
        else:
            raise unknown(kind, param=param)

    def _add_custom(self, tool: dict[str, Any], *, param: str) -> None:
        if tool.get("name") is None:
            tool, param = json_object(tool.get("custom"), param=f"{param}.custom"), f"{param}.custom"
        name = required_string(tool.get("name"), param=f"{param}.name")
        said = custom_tools.description(tool, param=param)
        read = declared_tool(name, said, custom_tools.PARAMETERS, param=f"{param}.name", schema_param=f"{param}.format")
        self.tools.append(read)
        self.custom.append(name)


def _read_function(value: object, *, param: str, schema: str = "parameters") -> Tool:
    function = json_object(value, param=param)
    return declared_tool(
        required_string(function.get("name"), param=f"{param}.name"),
        string(function.get("description"), param=f"{param}.description"),
        function.get(schema),
        param=f"{param}.name",
        schema_param=f"{param}.{schema}",
        strict=function.get("strict") is True,
    )


def _read_choice(value: str | dict[str, Any] | None, tools: bool, *, param: str) -> _Choosing:
    """Read a choice; one that has nothing to choose from is only looked at for its kind, as clients leave it in."""
    if not value:
        return _Choosing("auto")
    kind = value if isinstance(value, str) else value.get("type")
    if isinstance(kind, str) and kind in _CHOICES:
        return _Choosing(_CHOICES[kind])
    if isinstance(value, str):
        raise InvalidRequest(
            f"{param} must be one of {', '.join(_CHOICES)}, or an object that names a tool.", param=param
        )
    if isinstance(kind, str) and hosted(kind):
        raise refused(kind, param=param)
    if not tools:
        return _Choosing("auto")
    if kind == "allowed_tools":
        return _read_allowed(value.get("allowed_tools"), param=f"{param}.allowed_tools")
    return _Choosing("required", _chosen_name(value, param=param, older=param == "function_call"))


def _chosen_name(choice: dict[str, Any], *, param: str, older: bool = False) -> str:
    """Return the name of the tool that an object names, in itself or in the object named like its kind."""
    inner = "custom" if choice.get("type") == "custom" else "function"
    if older or choice.get("name") is not None:
        return required_string(choice.get("name"), param=f"{param}.name")
    named = json_object(choice.get(inner), param=f"{param}.{inner}")
    return required_string(named.get("name"), param=f"{param}.{inner}.name")


def _read_allowed(value: object, *, param: str) -> _Choosing:
    allowed = json_object(value, param=param)
    mode = allowed.get("mode", "auto")
    if mode not in ("auto", "required"):
        raise InvalidRequest(f"{param}.mode must be auto or required.", param=f"{param}.mode")
    names = []
    for at, item in enumerate(listed_tools(allowed.get("tools"), param=f"{param}.tools")):
        path = f"{param}.tools[{at}]"
        names.append(_chosen_name(json_object(item, param=path), param=path))
    if not names:
        raise InvalidRequest(f"{param}.tools must name at least one tool.", param=f"{param}.tools")
    return _Choosing(mode, among=frozenset(names))


def _forbids_several(choice: str | dict[str, Any] | None) -> bool:
    """Whether a choice says in Anthropic's way that an answer makes no more than one call."""
    return isinstance(choice, dict) and choice.get("disable_parallel_tool_use") is True


def _narrowed(tools: list[Tool], among: frozenset[str], *, param: str) -> list[Tool]:
    allowed = [tool for tool in tools if tool.name in among]
    if len(allowed) < len(among):
        raise InvalidRequest(f"{param} names a tool that is not declared.", param=param)
    return allowed
