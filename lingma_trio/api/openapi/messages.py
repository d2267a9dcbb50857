"""Messages, as a client sends and receives them.

Describes Anthropic's objects as far as the gateway reads and writes them; see `lingma_trio.api.anthropic` for what it
does.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from lingma_trio.api.openapi.shapes import Answered, Asked, Json

StopReason: TypeAlias = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


class Turn(Asked):
    """One turn of the conversation."""

    role: Literal["user", "assistant", "system"]
    """Who says it; a system turn goes before the user's turn that it follows."""
    content: str | list[Json] | None = None
    """A text, or blocks: `text`, `image`, `tool_use`, `tool_result` and others; those unknown become placeholders."""


class MessagesTool(Asked):
    """A tool of the client's. One of another `type` than `custom` is ignored."""

    type: str | None = None
    """`custom`, or nothing."""
    name: str | None = None
    """By what it is called."""
    description: str | None = None
    """What it does, for the model."""
    input_schema: Json | None = None
    """The JSON Schema of its input, which must be an object's."""
    defer_loading: bool | None = None
    """Leaves the tool out until a `tool_reference` in the conversation names it."""
    strict: bool | None = None
    """Leaves out of a call what `additionalProperties: false` rules out."""


class ToolChoice(Asked):
    """How the tools may be used."""

    type: Literal["auto", "any", "tool", "none"] | None = None
    """Whether one may, must or must not be called."""
    name: str | None = None
    """With `tool`: the one that has to be called."""
    disable_parallel_tool_use: bool | None = None
    """One call at the most."""


class Thinking(Asked):
    """Whether the model's reasoning is shown."""

    type: str | None = None
    """`enabled` and `adaptive` show it."""
    display: str | None = None
    """`omitted` does not."""


class MessagesRequest(Asked):
    """A conversation to be continued. Fields of Anthropic's that are not listed are ignored."""

    messages: Annotated[list[Turn], Field(min_length=1)]
    """The conversation, oldest turn first."""
    system: str | list[Json] | None = None
    """What holds for all of it: a text, or blocks."""
    model: Annotated[str, Field(max_length=256)] | None = None
    """A model of `GET /v1/models`, by key or display name; another one, or none, is the gateway's default."""
    stream: bool | None = None
    """Answers as server-sent events, each with a piece of the answer."""
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    """Where the answer is cut off, in estimated tokens; 0 and none are no bound."""
    stop_sequences: (
        str | Annotated[list[Annotated[str, Field(min_length=1, max_length=1024)]], Field(max_length=16)] | None
    ) = None
    """Texts before which the answer ends."""
    thinking: Thinking | None = None
    """Whether the model's reasoning is shown."""
    tools: list[MessagesTool] | None = None
    """Tools that the model may ask the client to call."""
    tool_choice: ToolChoice | None = None
    """How they may be used."""
    output_config: Json | None = None
    """`format`: `json_schema` with the schema that the answer has to keep."""
    output_format: Json | None = None
    """The older place of that format."""
    metadata: Any = None
    """The client's own; conversations of one `user_id` in it prefer one account."""
    thread: None = None
    """Refused with `thread_unsupported_request`: conversations are not kept here, so all messages have to be sent."""


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
    """README lists them all."""


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
