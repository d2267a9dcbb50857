"""The tools and the answer's format of a request.

Knows Anthropic's fields; must not know the rest of the request.

Tools come and go within a conversation: a tool whose loading is deferred counts once the conversation refers to it,
which is how a client that searches its tools loads one, and system turns add tools and take them away. What holds at
the conversation's end is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from pydantic_core import to_json

from lingma_trio.api.anthropic.asked import MessagesRequest, Turn
from lingma_trio.api.anthropic.asked_blocks import GivenCompaction, GivenToolReference, GivenToolResult
from lingma_trio.api.anthropic.asked_tools import (
    DefinedTool,
    MessagesTool,
    ReferredTool,
    ToolAddition,
    ToolChoice,
    ToolRemoval,
)
from lingma_trio.api.anthropic.known_tools import KNOWN
from lingma_trio.api.hosted import absent, hosted, refused
from lingma_trio.api.toolbox import answer_format, configuration, declared_tool, toolbox
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Tool, Toolbox

_CHOICES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "any": "required",
    "tool": "required",
}
_SEARCH = "tool_search_tool"
_SERVERS = "mcp_servers"


class ToolSettings(NamedTuple):
    """What a request says of tools and format; `configuration` is canonical JSON of both, empty without any."""

    toolbox: Toolbox | None
    answer_format: AnswerFormat | None
    configuration: str


def read_tools(asked: MessagesRequest, *, held: int = 0) -> ToolSettings:
    """Read the tools and the format of a request, the first `held` turns of which are from earlier ones.

    Marks for caching are no part of the configuration. Raises `InvalidRequest` whose `param` is the path of the field
    at fault.
    """
    box = _read_toolbox(asked, held)
    wanted = _read_format(asked)
    return ToolSettings(box, wanted, configuration(box, wanted))


def _read_toolbox(asked: MessagesRequest, held: int) -> Toolbox | None:
    shelf = _Shelf(asked.tools or ())
    shelf.follow(asked.messages, held)
    choice = asked.tool_choice or ToolChoice()
    kind = choice.type or "auto"
    if kind == "tool" and choice.name is None:
        raise InvalidRequest("tool_choice.name is missing.", param="tool_choice.name")
    named = (choice.name or "") if kind == "tool" else ""
    if named in shelf.hosted:
        raise refused(shelf.hosted[named], param="tool_choice")
    tools = [_declared(*entry) for entry in shelf.offered.values()]
    lacking = [*shelf.hosted.values()]
    if asked.mcp_servers:
        lacking.append(_SERVERS)
    return toolbox(
        tools,
        param="tools",
        choice=_CHOICES[kind],
        named=named,
        parallel=not choice.disable_parallel_tool_use,
        absent=absent(
            lacking,
            declared=bool(shelf.known) or kind == "none",
            param="tools" if shelf.hosted else _SERVERS,
        ),
    )


class _Shelf:
    """The tools of a conversation: those that are known, those that are offered, and those that nobody here can run.

    Each is by its name, with the path of the field that it came by.
    """

    def __init__(self, listed: Sequence[MessagesTool]) -> None:
        self.known: dict[str, tuple[MessagesTool, str]] = {}
        self.hosted: dict[str, str] = {}
        searched = any((tool.type or "").startswith(_SEARCH) for tool in listed)
        for place, tool in enumerate(listed):
            self._take(tool, f"tools[{place}]")
        late = () if searched else [name for name, (tool, _) in self.known.items() if tool.defer_loading]
        self.offered = dict(self.known)
        for name in late:
            del self.offered[name]
        self._first = dict(self.offered)

    def follow(self, turns: Sequence[Turn], held: int) -> None:
        """Do what the conversation does to its tools; raises `InvalidRequest` for one that it does not know."""
        for param, block in _changes(turns, held):
            match block:
                case GivenToolReference(tool_name=name):
                    if name in self.known:  # a search may have found what has been taken away since
                        self.offered[name] = self.known[name]
                case GivenCompaction(tool_changes=[*changes]):
                    self.offered = dict(self._first)
                    for place, change in enumerate(changes):
                        self._change(change, f"{param}.tool_changes[{place}].tool")
                case ToolAddition() | ToolRemoval():
                    self._change(block, f"{param}.tool")

    def _change(self, block: ToolAddition | ToolRemoval, param: str) -> None:
        match block.tool:
            case DefinedTool(definition=tool):
                self.known.pop(tool.name or "", None)
                if (name := self._take(tool, f"{param}.definition")) in self.known:
                    self.offered[name] = self.known[name]
            case ReferredTool(name=name):
                if name in self.hosted:
                    return
                if name not in self.known:
                    raise InvalidRequest(
                        f"{param}.name refers to a tool that is neither in tools nor defined before.",
                        param=f"{param}.name",
                    )
                if isinstance(block, ToolAddition):
                    self.offered[name] = self.known[name]
                else:
                    self.offered.pop(name, None)

    def _take(self, tool: MessagesTool, param: str) -> str:
        """Put a tool where it belongs, and return its name."""
        kind = tool.type or "custom"
        if kind.startswith(_SEARCH):
            return ""
        if kind != "custom" and kind not in KNOWN:
            if not hosted(kind):
                raise InvalidRequest(
                    f"{param}.type is not known here: declare a tool of type custom, with an input_schema.",
                    param=f"{param}.type",
                )
            self.hosted[tool.name or kind] = kind
            return ""
        if tool.name is None:
            raise InvalidRequest(f"{param}.name is missing.", param=f"{param}.name")
        if tool.name in self.known:
            raise InvalidRequest(f"{param} has the name of another tool; give each one of its own.", param=param)
        self.known[tool.name] = (tool, param)
        return tool.name


def _declared(tool: MessagesTool, param: str) -> Tool:
    name, description, schema = tool.name or "", tool.description or "", tool.input_schema
    if (known := KNOWN.get(tool.type or "")) is not None:
        description, schema = description or known.description, schema or known.schema
    if tool.input_examples:
        description += "".join(f"\nAn example of its input: {to_json(each).decode()}" for each in tool.input_examples)
    return declared_tool(
        name,
        description,
        schema,
        param=f"{param}.name",
        schema_param=f"{param}.input_schema",
        strict=bool(tool.strict),
    )


def _changes(turns: Sequence[Turn], held: int) -> Iterator[tuple[str, object]]:
    """Yield what in a conversation has to do with its tools, in its order, with its path."""
    for at, turn in enumerate(turns):
        if not isinstance(turn.content, list):
            continue
        for place, block in enumerate(turn.content):
            if isinstance(block, GivenToolResult):
                if isinstance(block.content, list):
                    yield from (("", inner) for inner in block.content if isinstance(inner, GivenToolReference))
            elif isinstance(block, ToolAddition | ToolRemoval | GivenCompaction):
                yield f"messages[{at - held}].content[{place}]", block


def _read_format(asked: MessagesRequest) -> AnswerFormat | None:
    """Read the format from `output_config`, or from the field that it was in before."""
    current = None if asked.output_config is None else asked.output_config.format
    given = current or asked.output_format
    if given is None:
        return None
    param = "output_format" if current is None else "output_config.format"
    return answer_format(given.schema_, param=f"{param}.schema", strict=True)
