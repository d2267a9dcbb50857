"""The tools and the answer's format of a Responses request, and how a call of each tool is told to its client.

Knows OpenAI's kinds of tools. Functions, custom tools, tools in a namespace, and the shell and patch tools that the
client runs itself are declared to the model as functions, and so is a client's search among its tools; of a tool that
OpenAI would run the model is told that there is none. Must not know items or the rest of the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from lingma_trio.api import custom_tools
from lingma_trio.api.fields import json_object, required_string, string
from lingma_trio.api.hosted import absent, hosted, unknown
from lingma_trio.api.openai.choice import read_choice
from lingma_trio.api.responses.asked import ResponseRequest
from lingma_trio.api.toolbox import (
    MAX_LISTED,
    configuration,
    declared_tool,
    inner_name,
    listed_tools,
    read_format,
    toolbox,
)
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool, Toolbox

Kind: TypeAlias = Literal["function", "custom", "tool_search", "local_shell", "shell", "apply_patch"]

_KINDS: Final[dict[str, Kind]] = {"local_shell": "local_shell", "shell": "shell", "apply_patch": "apply_patch"}

TOOL_SEARCH: Final = "tool_search"
"""The kind and the name of a client's search among its tools."""

_SEARCH: Final = "Searches the client's tools; those that it finds can be called from the next message on."


def _strings(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


_MILLISECONDS: Final = {"type": "integer", "description": "Milliseconds the command may take."}
_CLIENT_TOOLS: Final[dict[Kind, tuple[str, dict[str, Any]]]] = {
    "local_shell": (
        "Runs a command on the user's machine and returns its output.",
        {
            "type": "object",
            "properties": {
                "command": _strings("The program and its arguments."),
                "working_directory": {"type": "string", "description": "Where to run it."},
                "timeout_ms": _MILLISECONDS,
            },
            "required": ["command"],
        },
    ),
    "shell": (
        "Runs shell commands on the user's machine and returns their output.",
        {
            "type": "object",
            "properties": {
                "commands": _strings("The command lines, which run in order."),
                "timeout_ms": _MILLISECONDS,
                "max_output_length": {"type": "integer", "description": "Characters of output to return."},
            },
            "required": ["commands"],
        },
    ),
    "apply_patch": (
        "Creates, updates or deletes a file of the user's workspace.",
        {
            "type": "object",
            "properties": {
                "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
                "path": {"type": "string", "description": "The file, relative to the workspace."},
                "diff": {"type": "string", "description": "The change as a V4A diff; not for delete_file."},
            },
            "required": ["type", "path"],
        },
    ),
}


class Spelling(NamedTuple):
    """How a client spells a tool that the model knows under a name of its own."""

    kind: Kind
    name: str
    namespace: str = ""


class ToolSettings(NamedTuple):
    """What a request says of tools and format.

    `spellings` has every tool of the toolbox, by the name the model knows. `configuration` is canonical JSON of all of
    it, empty where there is nothing.
    """

    toolbox: Toolbox | None
    answer_format: AnswerFormat | None
    spellings: Mapping[str, Spelling]
    configuration: str


def read_tools(asked: ResponseRequest, *, added: Sequence[tuple[str, Any]] = ()) -> ToolSettings:
    """Read the tools and the format of a request; `added` are lists of tools that its items bring, with their places.

    A tool that is declared again, by its namespace and name, is the later one. Where the client does not search its
    tools, those whose loading is deferred are declared at once: nobody would find them. Raises `InvalidRequest` whose
    `param` is the path of the field at fault.
    """
    lists = [("tools", asked.tools or []), *((place, listed_tools(tools, param=place)) for place, tools in added)]
    searched = any(_is_search(item) for _, listed in lists for item in listed)
    read = _Read()
    for place, listed in lists:
        read.begin(place)
        for at, item in enumerate(listed):
            read.add(item, param=f"{place}[{at}]", deferred=searched and place == "tools")
    choosing = read_choice(asked.tool_choice, param="tool_choice", kinds=(*_KINDS, TOOL_SEARCH))
    tools = [tool for tool, _ in read.tools.values()]
    box = toolbox(
        choosing.allowed(tools),
        param="tools",
        choice=choosing.choice,
        named=choosing.named,
        parallel=asked.parallel_tool_calls is not False,
        absent=absent(read.hosted, declared=bool(tools) or choosing.choice == "none", param="tools"),
    )
    spellings = {name: spelling for name, (_, spelling) in read.tools.items()}
    wanted = asked.text.format if asked.text is not None else None
    shape = read_format(wanted or {}, param="text.format")
    return ToolSettings(box, shape, spellings, configuration(box, shape))


class _Read:
    """The tools that a request declares, by the names that the model knows, and the kinds that OpenAI would run."""

    def __init__(self) -> None:
        self.tools: dict[str, tuple[Tool, Spelling]] = {}
        self.hosted: list[str] = []
        self._place = ""
        self._here: set[str] = set()
        self._left = MAX_LISTED

    def begin(self, place: str) -> None:
        """Go on with the list at `place`: within one, each name stands once."""
        self._place = place
        self._here.clear()

    def add(self, value: object, *, param: str, deferred: bool) -> None:
        """Read one entry of a list. `deferred` says that one whose loading is deferred does not count yet."""
        tool = json_object(value, param=param)
        kind = required_string(tool.get("type"), param=f"{param}.type")
        if kind == "namespace":
            self._add_namespace(tool, param=param, deferred=deferred)
        elif kind in ("function", "custom"):
            if not (deferred and tool.get("defer_loading") is True):
                self._put(_read_custom(tool, param=param) if kind == "custom" else _read_function(tool, param=param))
        elif _is_search(tool):
            self._put(_read_search(tool, param=param))
        elif kind in _KINDS and _is_run_by_client(tool):
            description, parameters = _CLIENT_TOOLS[_KINDS[kind]]
            self._put((Tool(kind, description, parameters), Spelling(_KINDS[kind], kind)))
        elif kind in _KINDS or kind == "tool_search" or hosted(kind):
            self.hosted.append(kind)
        else:
            raise unknown(kind, param=param)

    def _add_namespace(self, tool: Mapping[str, Any], *, param: str, deferred: bool) -> None:
        namespace = required_string(tool.get("name"), param=f"{param}.name")
        about = string(tool.get("description"), param=f"{param}.description")
        for at, item in enumerate(listed_tools(tool.get("tools"), param=f"{param}.tools")):
            path = f"{param}.tools[{at}]"
            inner = json_object(item, param=path)
            if deferred and inner.get("defer_loading") is True:
                continue
            read = _read_custom if inner.get("type") == "custom" else _read_function
            declared, spelling = read(inner, param=path, namespace=namespace)
            if about:  # told once, with the first that is declared: it may be long, and they may be many
                told = f"{declared.description}\n\nOf all tools of {namespace}: {about}".lstrip()
                declared, about = replace(declared, description=told), ""
            self._put((declared, spelling))

    def _put(self, read: tuple[Tool, Spelling]) -> None:
        name = read[0].name
        self._left -= 1
        if self._left < 0:
            raise InvalidRequest(f"{self._place} must list no more than {MAX_LISTED} tools.", param=self._place)
        if name in self._here:
            raise InvalidRequest(
                f"{self._place} declares {name} twice; give each tool a name of its own.", param=self._place
            )
        self._here.add(name)
        self.tools[name] = read


def _is_search(tool: object) -> bool:
    """Whether an entry is a search among tools that the client does itself."""
    return isinstance(tool, dict) and tool.get("type") == TOOL_SEARCH and tool.get("execution") == "client"


def _read_search(tool: Mapping[str, Any], *, param: str) -> tuple[Tool, Spelling]:
    """Read the search among its own tools that a client offers."""
    described = string(tool.get("description"), param=f"{param}.description") or _SEARCH
    declared = declared_tool(
        TOOL_SEARCH, described, tool.get("parameters"), param=f"{param}.type", schema_param=f"{param}.parameters"
    )
    return declared, Spelling("tool_search", TOOL_SEARCH)


def _is_run_by_client(tool: Mapping[str, Any]) -> bool:
    """Whether a shell or patch tool works on the client's machine, as it does unless a container is named for it."""
    environment = tool.get("environment")
    return not isinstance(environment, dict) or environment.get("type") == "local"


def _read_function(tool: Mapping[str, Any], *, param: str, namespace: str = "") -> tuple[Tool, Spelling]:
    """Read a function, whose fields some clients put one level deeper, as chat completions have them."""
    if tool.get("name") is None and isinstance(tool.get("function"), dict):
        tool, param = tool["function"], f"{param}.function"
    name = required_string(tool.get("name"), param=f"{param}.name")
    declared = declared_tool(
        inner_name(name, namespace),
        string(tool.get("description"), param=f"{param}.description"),
        tool.get("parameters"),
        param=f"{param}.name",
        schema_param=f"{param}.parameters",
        strict=tool.get("strict") is True,
    )
    return declared, Spelling("function", name, namespace)


def _read_custom(tool: Mapping[str, Any], *, param: str, namespace: str = "") -> tuple[Tool, Spelling]:
    name = required_string(tool.get("name"), param=f"{param}.name")
    declared = declared_tool(
        inner_name(name, namespace),
        custom_tools.description(tool, param=param),
        custom_tools.PARAMETERS,
        param=f"{param}.name",
        schema_param=f"{param}.format",
    )
    return declared, Spelling("custom", name, namespace)
