"""The items of a conversation, as a client sends them and as a response has them, as the vocabulary's messages.

Knows OpenAI's kinds of items; one that is named like a call or an output is read as one, and any other that is unknown
here is a fault. Must not know the rest of the request, nor where earlier items come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, TypeAlias

from lingma_trio.api.content import IMAGE
from lingma_trio.api.custom_tools import as_arguments
from lingma_trio.api.fields import invalid, required_string, string
from lingma_trio.api.json_text import canonical
from lingma_trio.api.openai.content import read_content, read_part
from lingma_trio.api.responses.compaction import KIND as COMPACTION
from lingma_trio.api.responses.compaction import read_compaction
from lingma_trio.api.toolbox import inner_name
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, Role, ToolCall

Item: TypeAlias = Mapping[str, Any]
"""One item as JSON was parsed into it."""

REFERENCE: Final = "item_reference"
_BARE: Final = frozenset({"id", "type"})

_ROLES: Final[dict[str, Role]] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "developer",
    "tool": "tool",
}
# What says nothing to the model: its own reasoning, which it is given back encrypted or not at all, and bookkeeping.
_SILENT: Final = frozenset({"reasoning", "additional_tools", "mcp_list_tools"})
# What asks for something that is asked for elsewhere, with where that is.
_ELSEWHERE: Final = {
    "compaction_trigger": "leave it out, and have the conversation summed up by POST /v1/responses/compact",
    "configuration_update": "leave it out, and give reasoning and text as fields of the request",
}
_BRINGS_TOOLS: Final = ("additional_tools", "tool_search_output")  # compared with whatever stands there
_FACTS_OF_A_CALL: Final = frozenset({"type", "id", "call_id", "status", "execution"})
_RUN_BY_CLIENT: Final = frozenset({"local_shell_call", "shell_call", "apply_patch_call", "tool_search_call"})
_CALL: Final = "_call"
_OUTPUT: Final = "_output"


def read_input(value: str | list[dict[str, Any]] | None) -> tuple[Item, ...]:
    """Return the items of `input`, of which one user's text is one."""
    if value is None:
        return ()
    if isinstance(value, str):
        return ({"type": "message", "role": "user", "content": [{"type": "input_text", "text": value}]},)
    return tuple(value)


def is_reference(item: Item) -> bool:
    """Whether an item is the name of a kept one; the type of such a one may be left out or null."""
    kind = item.get("type")
    return kind == REFERENCE or (kind is None and "id" in item and item.keys() <= _BARE)


def added_tools(earlier: Iterable[Item], given: Iterable[Item]) -> list[tuple[str, Any]]:
    """Return the lists of tools that items bring along, oldest first, each with its place in the request.

    Codex and others declare tools in `additional_tools` alone, and a client that searches its tools returns what it
    found in `tool_search_output`.
    """
    places = [("previous_response_id", item) for item in earlier]
    places += [(f"input[{at}].tools", item) for at, item in enumerate(given)]
    return [(place, item.get("tools")) for place, item in places if item.get("type") in _BRINGS_TOOLS]


def read_items(items: Iterable[Item], *, earlier: Iterable[Item] = (), param: str = "input") -> tuple[Message, ...]:
    """Read a conversation, oldest item first: `earlier` items, which are kept ones, and then those of `param`.

    What an assistant said and called in a row is one message, as the answer was one that these items are of. Raises
    `InvalidRequest` whose `param` is the path of the field at fault.
    """
    kept = (_read_item(item, param="previous_response_id") for item in earlier)
    given = (_read_item(item, param=f"{param}[{at}]") for at, item in enumerate(items))
    return tuple(_joined(message for part in (kept, given) for message in part if message is not None))


def _joined(messages: Iterable[Message]) -> Iterator[Message]:
    """Put assistant messages that follow each other together, each run at once: pairwise would cost its square."""
    for role, run in groupby(messages, key=attrgetter("role")):
        if role == "assistant":
            yield _merged(tuple(run))
        else:
            yield from run


def _merged(run: Sequence[Message]) -> Message:
    return Message(
        "assistant",
        "\n".join(message.text for message in run if message.text),
        tool_calls=tuple(call for message in run for call in message.tool_calls),
        attachments=tuple(digest for message in run for digest in message.attachments),
        images=tuple(image for message in run for image in message.images),
        image_fields=tuple(field for message in run for field in message.image_fields),
    )


def _read_item(item: Item, *, param: str) -> Message | None:
    kind = item.get("type", "message" if "role" in item else None)
    if not isinstance(kind, str):
        raise invalid(f"{param}.type", "a string that names the kind of item", kind)
    if kind in _SILENT:
        return None
    if kind in _ELSEWHERE:
        param = f"{param}.type"
        raise InvalidRequest(f"{param} {kind} is not served here: {_ELSEWHERE[kind]}.", param=param)
    if kind == COMPACTION:
        return read_compaction(item, param=param)
    if kind == "message":
        return _read_message(item, param=param)
    if kind.endswith(_OUTPUT):
        return _read_output(item, param=param)
    if kind.endswith(_CALL):
        return Message("assistant", "", tool_calls=(_read_call(item, kind, param=param),))
    return read_part(item, param=param).message("user")


def _read_message(item: Item, *, param: str) -> Message:
    role = item.get("role")
    known = _ROLES.get(role) if isinstance(role, str) else None
    if known is None:
        raise InvalidRequest(f"{param}.role must be one of {', '.join(_ROLES)}.", param=f"{param}.role")
    return read_content(item.get("content"), param=f"{param}.content").message(known)


def _read_call(item: Item, kind: str, *, param: str) -> ToolCall:
    if kind == "function_call":
        return _named_call(item, _function_arguments(item, param=param), param=param)
    if kind == "custom_tool_call":
        text = string(item.get("input"), param=f"{param}.input")
        return _named_call(item, as_arguments(text), param=param)
    return _other_call(item, kind)


def _named_call(item: Item, arguments: str, *, param: str) -> ToolCall:
    name = required_string(item.get("name"), param=f"{param}.name")
    namespace = string(item.get("namespace"), param=f"{param}.namespace")
    call_id = string(item.get("call_id"), param=f"{param}.call_id")
    return ToolCall(call_id, inner_name(name, namespace), arguments)


def _function_arguments(item: Item, *, param: str) -> str:
    arguments = item.get("arguments")
    if isinstance(arguments, dict):
        return canonical(arguments)
    return string(arguments, param=f"{param}.arguments")


def _other_call(item: Item, kind: str) -> ToolCall:
    """Read a call of a tool with a kind of its own, as a call of the tool that is named like it.

    What a hosted tool returned is in the same item and stays beside what it was given, with placeholders for pictures.
    """
    call_id = item.get("call_id") or item.get("id")
    given = {name: value for name, value in item.items() if name not in _FACTS_OF_A_CALL and value is not None}
    if kind not in _RUN_BY_CLIENT:
        given = _without_pictures(given)
        if kind == "image_generation_call" and "result" in given:
            given["result"] = IMAGE
    only = next(iter(given.values())) if len(given) == 1 else given
    arguments = canonical(only if isinstance(only, dict) else given)
    return ToolCall(call_id if isinstance(call_id, str) else "", kind.removesuffix(_CALL), arguments)


def _without_pictures(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return what a hosted tool returned with a placeholder for each picture that is in it as a `data:` address."""
    match value:
        case str():
            return IMAGE if value[:11].lower() == "data:image/" else value
        case list():
            return [_without_pictures(each) for each in value]
        case dict():
            return {name: _without_pictures(each) for name, each in value.items()}
        case _:
            return value


def _read_output(item: Item, *, param: str) -> Message:
    """Read what a tool returned: text, content parts, or what else its kind returns, which stays JSON."""
    match item.get("type"):
        case "tool_search_output":
            output: object = _found_tools(item)
        case "program_output":
            output = item.get("result")
        case "computer_call_output" if isinstance(item.get("output"), dict):
            output = [item["output"]]  # one part, a picture of the screen
        case _:
            output = item.get("output")
    call_id = string(item.get("call_id"), param=f"{param}.call_id")
    if isinstance(output, dict) or (isinstance(output, list) and not _is_content(output)):
        return Message("tool", canonical(output), tool_call_id=call_id)
    return read_content(output, param=f"{param}.output").message("tool", tool_call_id=call_id)


def _found_tools(item: Item) -> str:
    """Say which tools a client's search has found: their declarations stand among the tools."""
    tools = item.get("tools")
    names = ", ".join(_names(tools, "")) if isinstance(tools, list) else ""
    return f"These tools can be called now: {names}." if names else "No tool was found."


def _names(tools: Sequence[object], namespace: str) -> Iterator[str]:
    """Yield the names by which the model knows listed tools; those of a namespace stand in a list of its own."""
    for tool in tools:
        if isinstance(tool, dict) and isinstance(name := tool.get("name"), str):
            inner = tool.get("tools")
            if tool.get("type") != "namespace":
                yield inner_name(name, namespace)
            elif not namespace and isinstance(inner, list):
                yield from _names(inner, name)


def _is_content(parts: Sequence[object]) -> bool:
    """Whether a list is one of content parts, and not of a kind's own objects."""
    return all(isinstance(part, str) or (isinstance(part, dict) and "type" in part) for part in parts)
