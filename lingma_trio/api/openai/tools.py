"""The tools and the answer's format of a chat request, in the newer fields and in those they replaced.

Knows OpenAI's fields; must not know the rest of the request.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lingma_trio.api import custom_tools
from lingma_trio.api.fields import json_object, required_string, string
from lingma_trio.api.hosted import absent, hosted, unknown
from lingma_trio.api.openai.asked import ChatCompletionRequest
from lingma_trio.api.openai.choice import Choosing, read_choice
from lingma_trio.api.toolbox import configuration, declared_tool, read_format, toolbox
from lingma_trio.turns import AnswerFormat, Tool, Toolbox


class ToolSettings(NamedTuple):
    """What a request says of tools and format.

    `legacy` says that it declares `functions` and not `tools`; `custom` names the tools that take a text.
    """

    toolbox: Toolbox | None
    answer_format: AnswerFormat | None
    configuration: str
    legacy: bool
    custom: frozenset[str] = frozenset()


def read_tools(asked: ChatCompletionRequest) -> ToolSettings:
    """Read the tools and the format of a request.

    `configuration` is canonical JSON of all of it, empty where there is nothing. Raises `InvalidRequest` whose `param`
    is the path of the field at fault.
    """
    if _says_nothing(asked):
        return _NOTHING
    functions = asked.functions or []
    legacy = bool(functions) and not asked.tools
    read = _Read()
    for at, item in enumerate(functions if legacy else asked.tools or ()):
        if legacy:
            read.tools.append(read_function(item, param=f"functions[{at}]"))
        else:
            read.add(item, param=f"tools[{at}]")
    param = "functions" if legacy else "tools"
    choosing = _read_choice(asked, legacy)
    declared = bool(read.tools) or choosing.choice == "none"
    missing = absent(read.hosted, declared=declared, param=param)
    if asked.web_search_options is not None:
        missing += absent(["web_search"], declared=declared, param="web_search_options")
    box = toolbox(
        choosing.allowed(read.tools),
        param=param,
        choice=choosing.choice,
        named=choosing.named,
        choice_param=choosing.param,
        parallel=not legacy and asked.parallel_tool_calls is not False and not _forbids_several(asked.tool_choice),
        absent=tuple(dict.fromkeys(missing)),
    )
    shape = read_format(asked.response_format or {}, param="response_format", inner="json_schema")
    return ToolSettings(box, shape, configuration(box, shape), legacy, frozenset(read.custom))


_NOTHING = ToolSettings(None, None, "", legacy=False)


def _says_nothing(asked: ChatCompletionRequest) -> bool:
    """Whether a request says nothing of tools and format, as most do."""
    return not (
        asked.tools
        or asked.functions
        or asked.tool_choice is not None
        or asked.function_call is not None
        or asked.web_search_options is not None
        or asked.response_format
    )


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
            self.tools.append(read_function(tool, param=param, schema="input_schema"))
        elif kind == "function":
            inner = tool.get("function") is not None or tool.get("name") is None
            self.tools.append(
                read_function(tool.get("function"), param=f"{param}.function")
                if inner
                else read_function(tool, param=param)
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


def read_function(value: object, *, param: str, schema: str = "parameters") -> Tool:
    """Read a function as it is declared; raises `InvalidRequest` whose `param` is the path of the field at fault."""
    function = json_object(value, param=param)
    return declared_tool(
        required_string(function.get("name"), param=f"{param}.name"),
        string(function.get("description"), param=f"{param}.description"),
        function.get(schema),
        param=f"{param}.name",
        schema_param=f"{param}.{schema}",
        strict=function.get("strict") is True,
    )


def _read_choice(asked: ChatCompletionRequest, legacy: bool) -> Choosing:
    """Read the choice from the field that belongs to the form of the tools, or from the other one."""
    fields = [("tool_choice", asked.tool_choice), ("function_call", asked.function_call)]
    field, value = next((each for each in (reversed(fields) if legacy else fields) if each[1]), fields[0])
    return read_choice(value, param=field)


def _forbids_several(choice: str | dict[str, Any] | None) -> bool:
    """Whether a choice says in Anthropic's way that an answer makes no more than one call."""
    return isinstance(choice, dict) and choice.get("disable_parallel_tool_use") is True
