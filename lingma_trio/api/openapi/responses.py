"""Responses, as a client receives them.

Describes OpenAI's objects as far as the gateway writes them; see `lingma_trio.api.responses` for what it
does.
"""

from __future__ import annotations

from typing import Literal

from lingma_trio.api.openapi.shapes import Answered, Json, Open


class InputTokens(Answered):
    """Of the tokens asked with."""

    cached_tokens: int
    """Always 0: Lingma does not say."""
    cache_write_tokens: int
    """Always 0: Lingma does not say."""


class ReasoningTokens(Answered):
    """Of the tokens answered with."""

    reasoning_tokens: int
    """Those of the reasoning."""


class ResponseUsage(Answered):
    """Token counts, which the gateway estimates: Lingma reports none."""

    input_tokens: int
    """Of the conversation."""
    input_tokens_details: InputTokens
    """Of the first."""
    output_tokens: int
    """Of the answer, reasoning included."""
    output_tokens_details: ReasoningTokens
    """Of the second."""
    total_tokens: int
    """Both."""


class ResponseFault(Answered):
    """What made a response fail."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    """OpenAI's kind of fault."""
    message: str
    """For people."""
    param: str | None
    """The field at fault."""
    type: str
    """The gateway's code; docs/errors.md lists them all."""


class Incomplete(Answered):
    """Why an answer ended early."""

    reason: Literal["max_output_tokens", "content_filter"]
    """The reason."""


class Response(Answered):
    """The answer in one piece, and what the first and the last events of a stream hold."""

    id: str
    """Its own, by which it is kept."""
    object: Literal["response"]
    """What it is."""
    created_at: int
    """Seconds since the epoch."""
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    """How far it is."""
    model: str
    """The key of the model that answered."""
    output: list[Json]
    """Its items: `reasoning`, `message`, and calls of the client's tools, in the order in which they came."""
    usage: ResponseUsage | None
    """Token counts, once it is complete."""
    error: ResponseFault | None
    """What made it fail."""
    incomplete_details: Incomplete | None
    """Why it ended early."""
    background: Literal[False]
    """The client waits."""
    instructions: str | list[Json] | None
    """As asked."""
    max_output_tokens: int | None
    """As asked."""
    max_tool_calls: int | None
    """As asked, without effect."""
    metadata: Json
    """As asked."""
    parallel_tool_calls: bool
    """As asked."""
    previous_response_id: str | None
    """As asked."""
    prompt_cache_key: str | None
    """As asked."""
    reasoning: Json
    """As asked, without effect."""
    safety_identifier: str | None
    """As asked."""
    service_tier: Literal["default"]
    """There is one."""
    store: bool
    """Whether it is kept."""
    temperature: float
    """As asked, without effect."""
    text: Json
    """As asked."""
    tool_choice: str | Json
    """As asked."""
    tools: list[Json]
    """As asked."""
    top_logprobs: Literal[0]
    """Lingma tells none."""
    top_p: float
    """As asked, without effect."""
    truncation: Literal["auto", "disabled"]
    """As asked, without effect."""
    user: str | None
    """As asked."""


class ResponseEvent(Open):
    """One event of a streamed response, named by its type; what else it holds depends on that."""

    type: str
    """`response.created` first, `response.completed`, `response.incomplete` or `response.failed` last."""
    sequence_number: int
    """Its place in the stream."""
    response: Response | None = None
    """In the first two events and in the last."""
    output_index: int | None = None
    """Which item it tells of."""
    item: Json | None = None
    """An item that begins, or that is complete."""
    delta: str | None = None
    """More of the item's text, arguments or input."""


class InputTokenCount(Answered):
    """How many tokens a conversation has."""

    object: Literal["response.input_tokens"]
    """What it is."""
    input_tokens: int
    """The gateway's estimate."""


class Compaction(Answered):
    """A conversation summed up."""

    id: str
    """Its own; it is not kept."""
    object: Literal["response.compaction"]
    """What it is."""
    created_at: int
    """Seconds since the epoch."""
    output: list[Json]
    """One item of the type `compaction`, to be sent in the place of what it sums up."""
    usage: ResponseUsage
    """Token counts."""


class ResponseDeleted(Answered):
    """A response that is kept no longer."""

    id: str
    """Its id."""
    object: Literal["response"]
    """What it was."""
    deleted: Literal[True]
    """What became of it."""


class ItemList(Answered):
    """A page of the items that a response answered."""

    object: Literal["list"]
    """What it is."""
    data: list[Json]
    """The items, the newest first unless `order=asc`; `limit` of them after the one called `after`."""
    first_id: str | None
    """Of the first one here."""
    last_id: str | None
    """Of the last one here."""
    has_more: bool
    """Whether there are more after it."""
