"""The `messages` of a chat request as the vocabulary's messages.

Knows OpenAI's message objects; must not know the rest of the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lingma_trio.api.beginnings import hold_nothing
from lingma_trio.api.content import Content
from lingma_trio.api.custom_tools import as_arguments
from lingma_trio.api.fields import json_object, required_string, string
from lingma_trio.api.json_text import canonical
from lingma_trio.api.openai.asked import ChatMessage
from lingma_trio.api.openai.content import read_content
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, ToolCall


def read_messages(given: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Read the value of `messages`, oldest first.

    A conversation needs at least one message with something in it, of whatever role: clients do send a system message
    alone. Raises `InvalidRequest` whose `param` is the path of the field at fault.
    """
    _check_beginnings(given)
    messages = tuple(_read_message(each, param=f"messages[{index}]") for index, each in enumerate(given))
    if hold_nothing(messages):
        raise InvalidRequest("messages hold nothing to answer: give at least one of them content.", param="messages")
    return messages


def _check_beginnings(given: Sequence[ChatMessage]) -> None:
    """Refuse a mark of the beginning of an answer on anything but the assistant's last message."""
    for index, each in enumerate(given):
        for name, marked in (("prefix", each.prefix), ("partial", each.partial)):
            if marked is True and (each.role != "assistant" or index < len(given) - 1):
                param = f"messages[{index}].{name}"
                raise InvalidRequest(f"{param} may be true of a last message of the assistant's alone.", param=param)


def _read_message(given: ChatMessage, *, param: str) -> Message:
    content = read_content(given.content, param=f"{param}.content")
    calls: tuple[ToolCall, ...] = ()
    if given.role == "assistant":
        content = content if content != Content() else Content(given.refusal or "")
        calls = _read_tool_calls(given, param=param)
    return content.message(given.role, name=given.name or "", tool_call_id=given.tool_call_id or "", tool_calls=calls)


def _read_tool_calls(given: ChatMessage, *, param: str) -> tuple[ToolCall, ...]:
    path = f"{param}.tool_calls"
    calls = [read_tool_call(call, param=f"{path}[{index}]") for index, call in enumerate(given.tool_calls or ())]
    if given.function_call is not None:
        calls.append(_read_function(given.function_call, id="", param=f"{param}.function_call"))
    return tuple(calls)


def read_tool_call(call: dict[str, Any], *, param: str) -> ToolCall:
    """Read a call that was made; raises `InvalidRequest` whose `param` is the path of the field at fault."""
    call_id = string(call.get("id"), param=f"{param}.id")
    if call.get("type") == "custom":
        custom = json_object(call.get("custom"), param=f"{param}.custom")
        name = required_string(custom.get("name"), param=f"{param}.custom.name")
        return ToolCall(call_id, name, as_arguments(string(custom.get("input"), param=f"{param}.custom.input")))
    return _read_function(call.get("function"), id=call_id, param=f"{param}.function")


def _read_function(value: object, *, id: str, param: str) -> ToolCall:  # noqa: A002
    """Read what was called and with what, which some clients send as an object instead of its JSON text."""
    function = json_object(value, param=param)
    name = required_string(function.get("name"), param=f"{param}.name")
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        return ToolCall(id, name, canonical(arguments))
    return ToolCall(id, name, string(arguments, param=f"{param}.arguments"))
