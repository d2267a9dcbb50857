"""Chat completions, as a client sends and receives them.

Describes OpenAI's objects as far as the gateway reads and writes them; see `lingma_trio.api.openai` for what it does.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from lingma_trio.api.openapi.shapes import Answered, Asked, Json
from lingma_trio.turns import FinishReason, Role


class ChatMessage(Asked):
    """One message of the conversation."""

    role: Role
    """Who says it."""
    content: str | list[Json] | None = None
    """A text, or parts: `text`, `image_url` and others, of which those unknown become placeholders."""
    name: str | None = None
    """Which of several of that role."""
    tool_calls: list[Json] | None = None
    """In an assistant's message: the calls that it made."""
    tool_call_id: str | None = None
    """In a tool's message: the call that this is the result of."""


class ChatFunction(Asked):
    """A function that the model may ask the client to call."""

    name: str
    """By what it is called."""
    description: str | None = None
    """What it does, for the model."""
    parameters: Json | None = None
    """The JSON Schema of its arguments, which must be an object's."""


class ChatTool(Asked):
    """A tool of the client's."""

    type: Literal["function"]
    """Functions are what the gateway knows."""
    function: ChatFunction
    """The function."""


class StreamOptions(Asked):
    """What a stream holds beside the answer."""

    include_usage: bool | None = None
    """Ends the stream with a chunk that holds the token counts and no choices."""


class ChatCompletionRequest(Asked):
    """A conversation to be continued. Fields of OpenAI's that are not listed are ignored."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    """The conversation, oldest message first."""
    model: Annotated[str, Field(max_length=256)] | None = None
    """A model of `GET /v1/models`, by key or display name; another one, or none, is the gateway's default."""
    stream: bool | None = None
    """Answers as server-sent events, each with a piece of the answer."""
    stream_options: StreamOptions | None = None
    """Of a stream."""
    max_completion_tokens: Annotated[int, Field(ge=0)] | None = None
    """Where the answer is cut off, in estimated tokens; 0 is no bound."""
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    """The older name of `max_completion_tokens`, which goes first."""
    stop: str | Annotated[list[Annotated[str, Field(min_length=1, max_length=1024)]], Field(max_length=16)] | None = (
        None
    )
    """Texts before which the answer ends."""
    n: Annotated[int, Field(ge=1, le=4)] | None = None
    """How many answers, each a turn of its own."""
    tools: list[ChatTool] | None = None
    """Tools that the model may ask the client to call."""
    tool_choice: str | Json | None = None
    """`none`, `auto`, `required`, or the one tool that has to be called."""
    parallel_tool_calls: bool | None = None
    """Whether one answer may make several calls, which it may where nothing is said."""
    functions: list[ChatFunction] | None = None
    """The older form of `tools`."""
    function_call: str | Json | None = None
    """The older form of `tool_choice`."""
    response_format: Json | None = None
    """`text`, `json_object`, or `json_schema` with the schema that the answer has to keep."""
    user: str | None = None
    """The client's own name for its user; conversations of one user prefer one account."""
    metadata: Json | None = None
    """The client's own; `user_id` in it stands in for `user`."""


class CalledFunction(Answered):
    """What is to be called, and with what."""

    name: str
    """A declared function."""
    arguments: str
    """JSON text of an object."""


class ChatToolCall(Answered):
    """A call that the model asks the client for."""

    id: str
    """To be sent back with the result."""
    type: Literal["function"]
    """Always a function."""
    function: CalledFunction
    """The call itself."""


class AnswerMessage(Answered):
    """What the assistant answers."""

    role: Literal["assistant"]
    """Always the assistant's."""
    content: str | None
    """Its text; null where it holds only calls."""
    refusal: None
    """Lingma does not refuse in a form of its own."""
    tool_calls: list[ChatToolCall] = Field(default_factory=list)
    """Calls of the client's tools, where there are any."""
    reasoning_content: str = ""
    """The model's reasoning, where it shows any."""


class ChatChoice(Answered):
    """The one answer there is."""

    index: Literal[0]
    """Its place."""
    message: AnswerMessage
    """The answer."""
    logprobs: None
    """Lingma tells none."""
    finish_reason: FinishReason
    """Why it ended."""


class PromptTokens(Answered):
    """Of the tokens asked with."""

    cached_tokens: int
    """Always 0: Lingma does not say."""


class CompletionTokens(Answered):
    """Of the tokens answered with."""

    reasoning_tokens: int
    """Those of the reasoning."""


class ChatUsage(Answered):
    """Token counts, which the gateway estimates: Lingma reports none."""

    prompt_tokens: int
    """Of the conversation."""
    completion_tokens: int
    """Of the answer, reasoning included."""
    total_tokens: int
    """Both."""
    prompt_tokens_details: PromptTokens
    """Of the first."""
    completion_tokens_details: CompletionTokens
    """Of the second."""


class ChatCompletion(Answered):
    """The answer in one piece."""

    id: str
    """Its own."""
    object: Literal["chat.completion"]
    """What it is."""
    created: int
    """Seconds since the epoch."""
    model: str
    """The key of the model that answered."""
    choices: Annotated[list[ChatChoice], Field(min_length=1, max_length=1)]
    """One answer."""
    usage: ChatUsage
    """Token counts."""


class ChunkChoice(Answered):
    """A piece of the one answer there is."""

    index: Literal[0]
    """Its place."""
    delta: dict[str, Any]
    """What is new: `role` in the first chunk, then `content`, `reasoning_content` or `tool_calls`."""
    logprobs: None = None
    """Lingma tells none."""
    finish_reason: FinishReason | None
    """Why the answer ended, in its last chunk."""


class ChatCompletionChunk(Answered):
    """One event of a streamed answer; `[DONE]` follows the last one."""

    id: str
    """The same in every chunk."""
    object: Literal["chat.completion.chunk"]
    """What it is."""
    created: int
    """Seconds since the epoch, the same in every chunk."""
    model: str
    """The key of the model that answers."""
    choices: list[ChunkChoice]
    """One piece, or none in the chunk that holds the usage."""
    usage: ChatUsage | None = None
    """Token counts, in the last chunk where they were asked for."""
