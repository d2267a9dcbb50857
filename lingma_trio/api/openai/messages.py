"""The `messages` of a chat request as the vocabulary's messages.

Knows OpenAI's message objects; must not know the rest of the request.
"""

from __future__ import annotations

from typing import Any, get_args

from lingma_trio.api.fields import (
    check_length,
    invalid,
    json_object,
    optional_array,
    required_string,
    string,
)
from lingma_trio.api.json_text import canonical
from lingma_trio.api.openai.content import Content, read_content
from lingma_trio.api.request_fields import MAX_MESSAGES, MAX_PARTS
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, Role, ToolCall

_ROLES: dict[str, Role] = {role: role for role in get_args(Role)}


def read_messages(value: object) -> tuple[Message, ...]:
    """Read the value of `messages`, oldest first.

    A conversation needs at least one message with something in it, of whatever role: clients do send a system message
    alone. Unknown fields are ignored. Raises `InvalidRequest` whose `param` is the path of the field at fault.
    """
    if not isinstance(value, list):
        raise invalid("messages", "an array of message objects", value)
    if not value:
        raise InvalidRequest("messages must not be empty: send at least one message.", param="messages")
    check_length(len(value), MAX_MESSAGES, param="messages")
    messages = tuple(_read_message(item, param=f"messages[{index}]") for index, item in enumerate(value))
    # An attachment leaves its placeholder in the text.
    if not any(message.text.strip() or message.tool_calls for message in messages):
        raise InvalidRequest("messages hold nothing to answer: give at least one of them content.", param="messages")
    return messages


def _read_message(value: object, *, param: str) -> Message:
    fields = json_object(value, param=param)
    role = _read_role(fields.get("role"), param=f"{param}.role")
    content = read_content(fields.get("content"), param=f"{param}.content")
    calls: tuple[ToolCall, ...] = ()
    if role == "assistant":
        content = content if content != Content() else _refusal(fields, param=param)
        calls = _read_tool_calls(fields, param=param)
    return Message(
        role,
        content.text,
        name=string(fields.get("name"), param=f"{param}.name"),
        tool_call_id=string(fields.get("tool_call_id"), param=f"{param}.tool_call_id"),
        tool_calls=calls,
        attachments=content.attachments,
        images=content.images,
        breaks=content.breaks,
    )


def _read_role(value: object, *, param: str) -> Role:
    role = _ROLES.get(value) if isinstance(value, str) else None
    if role is None:
        raise InvalidRequest(f"{param} must be one of {', '.join(_ROLES)}.", param=param)
    return role


def _refusal(fields: dict[str, Any], *, param: str) -> Content:
    return Content(string(fields.get("refusal"), param=f"{param}.refusal"))


def _read_tool_calls(fields: dict[str, Any], *, param: str) -> tuple[ToolCall, ...]:
    path = f"{param}.tool_calls"
    listed = optional_array(fields.get("tool_calls"), param=path)
    check_length(len(listed), MAX_PARTS, param=path)
    calls = [_read_tool_call(call, param=f"{path}[{index}]") for index, call in enumerate(listed)]
    if (legacy := fields.get("function_call")) is not None:
        calls.append(_read_function(legacy, "arguments", id="", param=f"{param}.function_call"))
    return tuple(calls)


def _read_tool_call(value: object, *, param: str) -> ToolCall:
    call = json_object(value, param=param)
    call_id = string(call.get("id"), param=f"{param}.id")
    if call.get("type") == "custom":
        return _read_function(call.get("custom"), "input", id=call_id, param=f"{param}.custom")
    return _read_function(call.get("function"), "arguments", id=call_id, param=f"{param}.function")


def _read_function(value: object, given: str, *, id: str, param: str) -> ToolCall:  # noqa: A002
    """Read what was called and what it was `given`, which some clients send as an object instead of its JSON text."""
    function = json_object(value, param=param)
    name = required_string(function.get("name"), param=f"{param}.name")
    arguments = function.get(given)
    if isinstance(arguments, dict):
        return ToolCall(id, name, canonical(arguments))
    return ToolCall(id, name, string(arguments, param=f"{param}.{given}"))
