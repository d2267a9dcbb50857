"""Chat completions, as a client receives them.

Describes OpenAI's objects as far as the gateway writes them; see `lingma_trio.api.openai` for what it does.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from lingma_trio.api.openapi.shapes import Answered
from lingma_trio.turns import FinishReason


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
    """One answer."""

    index: int
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
    choices: Annotated[list[ChatChoice], Field(min_length=1, max_length=4)]
    """As many answers as `n` asked for."""
    usage: ChatUsage
    """Token counts."""


class ChunkChoice(Answered):
    """A piece of one answer."""

    index: int
    """The place of the answer that it belongs to."""
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
