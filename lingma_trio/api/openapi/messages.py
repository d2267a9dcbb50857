"""Messages, as a client receives them.

Describes Anthropic's objects as far as the gateway writes them; see `lingma_trio.api.anthropic` for what it
does.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from lingma_trio.api.openapi.shapes import Answered, Json

StopReason: TypeAlias = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


class OutputTokens(Answered):
    """Of the tokens answered with."""

    thinking_tokens: int
    """Those of the reasoning."""


class MessageUsage(Answered):
    """Token counts, which the gateway estimates: Lingma reports none."""

    input_tokens: int
    """Of the conversation."""
    cache_creation_input_tokens: int
    """Always 0: Lingma does not say."""
    cache_read_input_tokens: int
    """Always 0: Lingma does not say."""
    output_tokens: int
    """Of the answer, reasoning included."""
    output_tokens_details: OutputTokens
    """Of the answer."""


class TextBlock(Answered):
    """Text of the answer."""

    type: Literal["text"]
    """What it is."""
    text: str
    """The text."""


class ThinkingBlock(Answered):
    """Reasoning of the model."""

    type: Literal["thinking"]
    """What it is."""
    thinking: str
    """The reasoning."""
    signature: str
    """To be sent back with it; says nothing."""


class ToolUseBlock(Answered):
    """A call of one of the client's tools."""

    type: Literal["tool_use"]
    """What it is."""
    id: str
    """To be sent back with the result."""
    name: str
    """A declared tool."""
    input: dict[str, Any]
    """What it is given."""


class Message(Answered):
    """The answer in one piece."""

    id: str
    """Its own."""
    type: Literal["message"]
    """What it is."""
    role: Literal["assistant"]
    """Always the assistant's."""
    model: str
    """The model as it was asked for; the key of the one that answered where none was."""
    content: list[TextBlock | ThinkingBlock | ToolUseBlock]
    """What it holds, in the order in which it came."""
    stop_reason: StopReason | None
    """Why it ended."""
    stop_sequence: str | None
    """The client's own sequence that ended it."""
    usage: MessageUsage
    """Token counts."""


class FaultDetails(Answered):
    """For programs."""

    error_code: str
    """docs/errors.md lists them all."""


class MessagesFault(Answered):
    """What went wrong, and what to do about it."""

    type: str
    """The kind of fault."""
    message: str
    """For people."""
    details: FaultDetails
    """More of it."""


class MessageEvent(Answered):
    """One event of a streamed answer, named by its type."""

    type: Literal[
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    ]
    """What it tells."""
    message: Message | None = None
    """In the first one: the message, which has nothing in it yet."""
    index: int | None = None
    """Of a block: which one."""
    content_block: TextBlock | ThinkingBlock | ToolUseBlock | None = None
    """A block that begins, empty."""
    delta: Json | None = None
    """What is new of a block; at the end why the answer ended."""
    usage: MessageUsage | None = None
    """At the end: token counts."""
    error: MessagesFault | None = None
    """What broke the stream off, which it ends with."""


class TokenCount(Answered):
    """How many tokens a request has."""

    input_tokens: int
    """An estimate."""


class MessagesError(Answered):
    """A fault in Anthropic's envelope."""

    type: Literal["error"]
    """What it is."""
    error: MessagesFault
    """The fault."""
    request_id: str
    """The request's, as in the header."""
