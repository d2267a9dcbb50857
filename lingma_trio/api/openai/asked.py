"""The request for a chat completion, as a client sends it.

Describes OpenAI's fields, and what its clients send beside them; contents, calls, tools and formats are read by the
rooms that know their kinds. What is made of all this is `request`'s.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from lingma_trio.api.asked.fields import MAX_MESSAGES, MAX_PARTS, LogitBias, ModelName, Stops, StreamOptions, Tokens
from lingma_trio.api.asked.shapes import EMULATED, READ, WITHOUT_EFFECT, Asked, Body, Refused
from lingma_trio.api.openapi.shapes import Json
from lingma_trio.api.toolbox import Listed
from lingma_trio.turns import Effort, Role, Verbosity

MOST_ANSWERS = 4
"""Of one request. Each is a turn of its own."""


class ChatMessage(Asked):
    """One message of the conversation."""

    role: Annotated[Role, READ]
    """Who says it."""
    content: Annotated[Any, READ] = None
    """A text, or parts: `text`, `refusal`, `image_url`, `file`, and `tool_result` with parts of its own."""
    name: Annotated[str | None, READ] = None
    """Which of several of that role."""
    tool_calls: Annotated[Annotated[list[Json], Field(max_length=MAX_PARTS)] | None, READ] = None
    """In an assistant's message: the calls that it made."""
    function_call: Annotated[Json | None, READ] = None
    """The older form of `tool_calls`."""
    tool_call_id: Annotated[str | None, READ] = None
    """In a tool's message: the call that this is the result of."""
    refusal: Annotated[str | None, READ] = None
    """In an assistant's message without content: why it did not answer."""
    prefix: Annotated[Any, READ] = None
    """Of the last message: it is the beginning of the answer, as a last message of the assistant's always is."""
    partial: Annotated[Any, READ] = None
    """The same."""
    audio: Annotated[
        Any, Refused("Spoken answers are not kept here; leave audio out and send what was said as content")
    ] = None
    """An earlier answer that was spoken."""
    reasoning_content: Annotated[Any, WITHOUT_EFFECT] = None
    """Reasoning that a client sends back; it was no part of the answer."""
    annotations: Annotated[Any, WITHOUT_EFFECT] = None
    """Where an earlier answer had it from."""


class ChatCompletionRequest(Body):
    """A conversation to be continued."""

    messages: Annotated[Annotated[list[ChatMessage], Field(max_length=MAX_MESSAGES, fail_fast=True)] | None, READ] = (
        None
    )
    """The conversation, oldest message first; at least one message."""
    model: Annotated[ModelName | None, READ] = None
    """A model of `GET /v1/models`, by key or display name; another one, or none, is the gateway's default."""
    stream: Annotated[bool | None, READ] = None
    """Answers as server-sent events, each with a piece of the answer."""
    stream_options: Annotated[StreamOptions | None, READ] = None
    """Of a stream."""
    max_completion_tokens: Annotated[Tokens | None, READ] = None
    """Where the answer is cut off, in estimated tokens; 0 is no bound."""
    max_tokens: Annotated[Tokens | None, READ] = None
    """The older name of `max_completion_tokens`, which goes first."""
    stop: Annotated[Stops | None, READ] = None
    """Texts before which the answer ends."""
    n: Annotated[Annotated[int, Field(ge=1, le=MOST_ANSWERS)] | None, READ] = None
    """How many answers, each a turn of its own."""
    user: Annotated[str | None, READ] = None
    """The client's own name for its user; conversations of one user prefer one account."""
    metadata: Annotated[Any, READ] = None
    """The client's own; `user_id` in it stands in for `user`."""
    safety_identifier: Annotated[str | None, READ] = None
    """Stands in for both."""
    prompt_cache_key: Annotated[str | None, READ] = None
    """Stands in for all three."""
    tools: Annotated[Listed | None, EMULATED] = None
    """Tools that the model may ask the client to call: functions and custom tools, as chat completions have them, as
    responses have them, or as Anthropic has them. Of those that a vendor would run the model is told that it has none;
    alone they are refused."""
    tool_choice: Annotated[str | Json | None, EMULATED] = None
    """`none`, `auto`, `required` (or `any`), the one tool that has to be called, or those that may be."""
    parallel_tool_calls: Annotated[bool | None, EMULATED] = None
    """Whether one answer may make several calls, which it may where nothing is said."""
    functions: Annotated[Listed | None, EMULATED] = None
    """The older form of `tools`."""
    function_call: Annotated[str | Json | None, EMULATED] = None
    """The older form of `tool_choice`."""
    response_format: Annotated[Json | None, EMULATED] = None
    """`text`, `json_object`, or `json_schema` with the schema that the answer has to keep."""
    reasoning_effort: Annotated[Effort | None, EMULATED] = None
    """How long the model is to think."""
    verbosity: Annotated[Verbosity | None, EMULATED] = None
    """How much the answer says."""
    web_search_options: Annotated[Json | None, EMULATED] = None
    """Beside tools the model is told that it has no web search; without any the request is refused."""
    modalities: Annotated[
        list[Any] | None, Refused('modalities must be ["text"]: Lingma answers in text', unless=(["text"], []))
    ] = None  # fmt: skip
    """In what forms the answer may come."""
    audio: Annotated[Any, WITHOUT_EFFECT] = None
    """How the answer is to be spoken, which counts only where `modalities` asks for speech."""
    logprobs: Annotated[
        Any, Refused("Lingma tells no probabilities of tokens; leave logprobs out", unless=(False,))
    ] = None
    """Probabilities of tokens."""
    top_logprobs: Annotated[
        Any, Refused("Lingma tells no probabilities of tokens; leave top_logprobs out", unless=(0,))
    ] = None
    """Of how many others."""
    logit_bias: LogitBias = None
    """Tokens to be preferred or avoided."""
    moderation: Annotated[
        Any,
        Refused("Lingma moderates as it does and tells no scores; leave moderation out"),
    ] = None
    """Scores of a model that moderates, or its blocking."""
    store: Annotated[Any, WITHOUT_EFFECT] = None
    """Chat completions are not kept."""
    prediction: Annotated[Any, WITHOUT_EFFECT] = None
    """What much of the answer will be: for speed alone."""
    service_tier: Annotated[Any, WITHOUT_EFFECT] = None
    """There is one."""
    prompt_cache_retention: Annotated[Any, WITHOUT_EFFECT] = None
    """How long OpenAI would keep a prompt."""
    prompt_cache_options: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma caches as it does."""
    temperature: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma samples as it does."""
    top_p: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    frequency_penalty: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    presence_penalty: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    seed: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""

    @property
    def input(self) -> object:
        """The field of a request for a response, which some clients send to this path."""
        return (self.model_extra or {}).get("input")
