"""The `system` and the `messages` of a request as the vocabulary's messages.

Knows Anthropic's turns; must not know the rest of the request.

A turn of the user's may hold results of tools, each of which is a message of its own here. A system turn that follows
a user's stands before it here, so that what is to be answered comes last, in this request and in all that continue it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lingma_trio.api.anthropic.asked import Turn
from lingma_trio.api.anthropic.asked_blocks import (
    GivenCompaction,
    GivenText,
    GivenToolResult,
    GivenToolUse,
)
from lingma_trio.api.anthropic.asked_tools import ToolAddition, ToolRemoval
from lingma_trio.api.anthropic.content import FAILED, join, read_block, read_content
from lingma_trio.api.beginnings import hold_nothing
from lingma_trio.api.content import Content
from lingma_trio.api.json_text import canonical
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, Role, ToolCall

_BILLING = "x-anthropic-billing-header:"
"""How Claude Code begins a block that tells Anthropic who asks; it changes between turns and is for no model."""

# Blocks that mean something in turns of one role only.
_OWNERS: dict[type[object], Role] = {
    GivenToolResult: "user",
    GivenToolUse: "assistant",
    ToolAddition: "system",
    ToolRemoval: "system",
}


def read_messages(
    system: str | Sequence[object] | None, turns: Sequence[Turn], *, held: int = 0
) -> tuple[Message, ...]:
    """Read `system` and `messages`, oldest first; the first `held` turns are from earlier requests.

    What stands before a summary is left out, for which it stands. Raises `InvalidRequest` whose `param` is the path of
    the field at fault.
    """
    read = (*_read_system(system), *_read_turns(turns, held))
    if hold_nothing(read):
        raise InvalidRequest("messages hold nothing to answer: give at least one of them content.", param="messages")
    return read


def _read_system(value: str | Sequence[object] | None) -> Iterator[Message]:
    if value is not None and not isinstance(value, str):
        value = [block for block in value if not _is_billing(block)]
    content = read_content(value)
    if content != Content():
        yield content.message("system")


def _is_billing(block: object) -> bool:
    text = block.text if isinstance(block, GivenText) else block
    return isinstance(text, str) and text.startswith(_BILLING)


def _read_turns(turns: Sequence[Turn], held: int) -> Iterator[Message]:
    last_user = max((at for at, turn in enumerate(turns) if turn.role == "user"), default=-1)
    waiting: tuple[Message, ...] = ()  # the newest turn of the user's, for a system turn that may follow it
    for at, turn, blocks in _since_summary(turns):
        if not isinstance(blocks, str):
            _check_places(blocks, turn.role, at - held)
        match turn.role:
            case "user":
                yield from waiting
                waiting = tuple(_read_user(blocks, f"messages[{at - held}].content"))
            case "assistant":
                yield from waiting
                waiting = ()
                yield _read_assistant(blocks)
            case "system":
                if turn.clear_at != "next_user_message" or at > last_user:
                    yield from _read_system_turn(blocks)
    yield from waiting


def _since_summary(turns: Sequence[Turn]) -> Iterator[tuple[int, Turn, str | Sequence[object]]]:
    """Yield the turns with their places and what they hold, from the newest summary of all that was before it."""
    first, within = 0, 0
    for at, turn in enumerate(turns):
        if isinstance(turn.content, list):
            for place, block in enumerate(turn.content):
                if isinstance(block, GivenCompaction) and block.content:
                    first, within = at, place
    for at in range(first, len(turns)):
        content = turns[at].content or ""
        yield at, turns[at], content[within:] if at == first and within else content


def _check_places(blocks: Sequence[object], role: Role, at: int) -> None:
    for place, block in enumerate(blocks):
        if (owner := _OWNERS.get(type(block), role)) != role:
            param = f"messages[{at}].content[{place}]"
            named = getattr(block, "type", "")
            raise InvalidRequest(f"{param} is a {named}, which belongs in a message of the {owner}.", param=param)


def _read_user(blocks: str | Sequence[object], param: str) -> Iterator[Message]:
    """Yield what a user's turn holds, in its order: results of tools one by one, anything between them together."""
    if isinstance(blocks, str) or not blocks:
        yield read_content(blocks).message("user")
        return
    said: list[Content] = []
    for place, block in enumerate(blocks):
        field = f"{param}[{place}]"
        if not isinstance(block, GivenToolResult):
            said.append(read_block(block).within(field))
            continue
        if said:
            yield join(said).message("user")
            said = []
        yield _read_result(block, field)
    if said:
        yield join(said).message("user")


def _read_result(block: GivenToolResult, param: str) -> Message:
    content = read_content(block.content).within(f"{param}.content")
    if block.is_error:
        content = join([Content(FAILED), content])
    return replace(content, breaks=()).message("tool", tool_call_id=block.tool_use_id or "")


def _read_assistant(blocks: str | Sequence[object]) -> Message:
    if isinstance(blocks, str):
        return Content(blocks).message("assistant")
    content = join(read_block(block) for block in blocks if not isinstance(block, GivenToolUse))
    calls = tuple(_read_call(block) for block in blocks if isinstance(block, GivenToolUse))
    return Message("assistant", content.text, tool_calls=calls, attachments=content.attachments)


def _read_call(block: GivenToolUse) -> ToolCall:
    return ToolCall(block.id or "", block.name, canonical(block.input or {}))


def _read_system_turn(blocks: str | Sequence[object]) -> Iterator[Message]:
    """Yield what a system turn says; one that only changes tools says nothing."""
    content = read_content(blocks)
    if content != Content():
        yield content.message("system")
