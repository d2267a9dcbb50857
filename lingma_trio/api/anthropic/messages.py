"""The `system` and the `messages` of a request as the vocabulary's messages.

Knows Anthropic's turns; must not know the rest of the request.

A turn of the user's may hold results of tools, each of which is a message of its own here. A system turn that follows
a user's stands before it here, so that what is to be answered comes last, in this request and in all that continue it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from lingma_trio.api.anthropic.content import Block, Content, join, read_block, read_content
from lingma_trio.api.fields import (
    boolean,
    check_length,
    invalid,
    json_object,
    optional_object,
    required_string,
    string,
)
from lingma_trio.api.json_text import canonical
from lingma_trio.api.request_fields import MAX_MESSAGES, MAX_PARTS
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, Role, ToolCall

_BILLING = "x-anthropic-billing-header:"
"""How Claude Code begins a block that tells Anthropic who asks; it changes between turns and is for no model."""

_FAILED = "[the tool failed]"


def read_messages(system: object, messages: object) -> tuple[Message, ...]:
    """Read the values of `system` and `messages`, oldest first.

    Unknown fields are ignored. Raises `InvalidRequest` whose `param` is the path of the field at fault.
    """
    if messages is None:
        raise InvalidRequest(
            'messages is missing: send at least [{"role": "user", "content": "..."}].', param="messages"
        )
    if not isinstance(messages, list):
        raise invalid("messages", "an array of message objects", messages)
    if not messages:
        raise InvalidRequest("messages must not be empty: send at least one message.", param="messages")
    check_length(len(messages), MAX_MESSAGES, param="messages")
    read = (*_read_system(system), *_read_turns(messages))
    # An attachment leaves its placeholder in the text.
    if not any(message.text.strip() or message.tool_calls for message in read):
        raise InvalidRequest("messages hold nothing to answer: give at least one of them content.", param="messages")
    return read


def _read_system(value: object) -> Iterator[Message]:
    if isinstance(value, list):
        value = [block for block in value if not _is_billing(block)]
    content = read_content(value, param="system")
    if content != Content():
        yield _message("system", content)


def _is_billing(block: object) -> bool:
    text = block.get("text") if isinstance(block, dict) else None
    return isinstance(text, str) and text.startswith(_BILLING)


def _read_turns(values: list[object]) -> Iterator[Message]:
    waiting: tuple[Message, ...] = ()  # the newest turn of the user's, for a system turn that may follow it
    for index, value in enumerate(values):
        param = f"messages[{index}]"
        turn = json_object(value, param=param)
        match turn.get("role"):
            case "user":
                yield from waiting
                waiting = tuple(_read_user(turn.get("content"), param=f"{param}.content"))
            case "assistant":
                yield from waiting
                waiting = ()
                yield _read_assistant(turn.get("content"), param=f"{param}.content")
            case "system":
                yield _message("system", read_content(turn.get("content"), param=f"{param}.content"))
            case _:
                raise InvalidRequest(f"{param}.role must be one of user, assistant, system.", param=f"{param}.role")
    yield from waiting


def _read_user(value: object, *, param: str) -> Iterator[Message]:
    """Yield what a user's turn holds, in its order: results of tools one by one, anything between them together."""
    if not isinstance(value, list):
        yield _message("user", read_content(value, param=param))
        return
    check_length(len(value), MAX_PARTS, param=param)
    said: list[Content] = []
    for index, block in enumerate(value):
        path = f"{param}[{index}]"
        if not _is_kind(block, "tool_result"):
            said.append(read_block(block, param=path))
            continue
        if said:
            yield _message("user", join(said))
            said = []
        yield _read_result(block, param=path)
    if said:
        yield _message("user", join(said))


def _read_result(block: Block, *, param: str) -> Message:
    content = read_content(block.get("content"), param=f"{param}.content")
    if boolean(block.get("is_error"), param=f"{param}.is_error"):
        content = join([Content(_FAILED), content])
    answered = string(block.get("tool_use_id"), param=f"{param}.tool_use_id")
    return Message("tool", content.text, "", answered, (), content.attachments, content.images)


def _read_assistant(value: object, *, param: str) -> Message:
    if not isinstance(value, list):
        return _message("assistant", read_content(value, param=param))
    check_length(len(value), MAX_PARTS, param=param)
    blocks = [(block, f"{param}[{index}]") for index, block in enumerate(value)]
    content = join(read_block(block, param=path) for block, path in blocks if not _is_kind(block, "tool_use"))
    calls = tuple(_read_call(block, param=path) for block, path in blocks if _is_kind(block, "tool_use"))
    return Message("assistant", content.text, tool_calls=calls, attachments=content.attachments)


def _read_call(block: Block, *, param: str) -> ToolCall:
    return ToolCall(
        string(block.get("id"), param=f"{param}.id"),
        required_string(block.get("name"), param=f"{param}.name"),
        canonical(optional_object(block.get("input"), param=f"{param}.input")),
    )


def _is_kind(block: object, kind: str) -> TypeGuard[Block]:
    return isinstance(block, dict) and block.get("type") == kind


def _message(role: Role, content: Content) -> Message:
    return Message(role, content.text, attachments=content.attachments, images=content.images, breaks=content.breaks)
