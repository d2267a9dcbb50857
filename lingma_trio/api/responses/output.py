"""The items that a response's output is made of.

Knows OpenAI's output items; must not know events, whole responses or what comes before them. Texts come as JSON strings
and leave within JSON: a stream tells the same text four times, and encodes it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic_core import from_json

from lingma_trio.api.custom_tools import as_input
from lingma_trio.api.json_text import encodable, encode
from lingma_trio.api.responses.tools import Spelling
from lingma_trio.turns import ToolCall

Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]

_UNDECLARED = Spelling("function", "")


def item_id(prefix: str, identity: str, index: int) -> str:
    """Return the id of the item at `index` of a response's output."""
    return f"{prefix}_{identity}_{index}"


def text_part(quoted: bytes) -> bytes:
    """Return the content part that holds an answer's text, given as a JSON string."""
    return b'{"type":"output_text","text":%b,"annotations":[],"logprobs":[]}' % quoted


def message_item(identity: str, part: bytes, status: Status) -> bytes:
    """Return the item of an answer's text with its one part, or with none where nothing has come."""
    head = encode({"id": identity, "type": "message", "status": status, "role": "assistant"})[:-1]
    return b'%b,"content":[%b]}' % (head, part)


def summary_part(quoted: bytes) -> bytes:
    """Return the part of a reasoning item that holds the model's reasoning, given as a JSON string."""
    return b'{"type":"summary_text","text":%b}' % quoted


def reasoning_item(identity: str, part: bytes, status: Status) -> bytes:
    """Return the item of the model's reasoning with its one part, or with none where nothing has come.

    It stands as its own summary: that is what clients show.
    """
    head = encode({"id": identity, "type": "reasoning", "encrypted_content": None, "status": status})[:-1]
    return b'%b,"summary":[%b]}' % (head, part)


def call_item(response: str, index: int, call: ToolCall, spellings: Mapping[str, Spelling]) -> dict[str, Any]:
    """Return the item of a call, in the kind in which the client declared the tool."""
    spelling = spellings.get(call.name, _UNDECLARED)
    call_id = encodable(call.id)
    match spelling.kind:
        case "function":
            item = {
                "id": item_id("fc", response, index),
                "type": "function_call",
                "status": "completed",
                "arguments": encodable(call.arguments),
                "call_id": call_id,
                "name": encodable(spelling.name or call.name),
            }
        case "custom":
            item = {
                "id": item_id("ctc", response, index),
                "type": "custom_tool_call",
                "status": "completed",
                "call_id": call_id,
                "input": as_input(call.arguments),
                "name": spelling.name,
            }
        case "tool_search":
            return {
                "id": item_id("tsc", response, index),
                "type": "tool_search_call",
                "status": "completed",
                "execution": "client",
                "call_id": call_id,
                "arguments": _object(call.arguments),
            }
        case _:
            return _client_call_item(response, index, call, spelling.name)
    return {**item, "namespace": spelling.namespace} if spelling.namespace else item


def _client_call_item(response: str, index: int, call: ToolCall, kind: str) -> dict[str, Any]:
    """Return the item of a call of a tool that every such client has: its arguments are what is to be done."""
    arguments = _object(call.arguments)
    field, fixed = {
        "local_shell": ("action", {"type": "exec", "env": {}}),
        "shell": ("action", {}),
        "apply_patch": ("operation", {}),
    }[kind]
    return {
        "id": item_id({"local_shell": "lsh", "shell": "sh", "apply_patch": "apc"}[kind], response, index),
        "type": f"{kind}_call",
        "status": "completed",
        "call_id": encodable(call.id),
        field: {**fixed, **arguments},
    }


def _object(arguments: str) -> dict[str, Any]:
    """Return a call's arguments, which are an object in every call that leaves the gateway."""
    value = from_json(arguments) if arguments else {}
    return value if isinstance(value, dict) else {}
