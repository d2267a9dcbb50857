"""The request for a response, as a client sends it.

Describes OpenAI's fields as far as the gateway has a use for them; items, tools and formats are read by the rooms that
know their kinds, since they are kept and repeated as they came. What is made of all this is `request`'s.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from lingma_trio.api.asked.fields import MAX_MESSAGES, ModelName, Stops, Tokens
from lingma_trio.api.asked.shapes import EMULATED, READ, WITHOUT_EFFECT, Asked, Body, Refused, wrong
from lingma_trio.api.openapi.shapes import Json
from lingma_trio.api.toolbox import MAX_LISTED, Listed
from lingma_trio.turns import Effort, Verbosity

Items = Annotated[list[Json], Field(max_length=MAX_MESSAGES, fail_fast=True)]


class ResponseText(Asked):
    """How the answer's text is to be."""

    format: Annotated[Json | None, EMULATED] = None
    """`text`, `json_object`, or `json_schema` with the schema that the answer has to keep."""
    verbosity: Annotated[Verbosity | None, EMULATED] = None
    """How much the answer says."""


class ResponseReasoning(Asked):
    """How the model is to reason."""

    effort: Annotated[Effort | None, EMULATED] = None
    """How long it is to think."""
    summary: Annotated[Any, WITHOUT_EFFECT] = None
    """Repeated: reasoning is always shown."""
    generate_summary: Annotated[Any, WITHOUT_EFFECT] = None
    """Its older name."""
    context: Annotated[Any, WITHOUT_EFFECT] = None
    """Reasoning that is sent back is left out."""
    mode: Annotated[Any, Refused("Lingma has no other mode; leave mode out", unless=("standard",))] = None
    """How much OpenAI would put into it."""


class ResponseRequest(Body):
    """A conversation to be continued."""

    input: Annotated[str | Items | None, READ] = None
    """One user's text, or items: messages, calls, their outputs, tools that come later, references to kept items. Only
    a summary and a count of tokens may be asked for without it, of a kept response."""
    instructions: Annotated[str | Items | None, READ] = None
    """What goes before the conversation; it is not carried over to the next response."""
    previous_response_id: Annotated[str | None, READ] = None
    """A kept response whose conversation goes on."""
    store: Annotated[bool | None, READ] = None
    """`false` keeps nothing of it."""
    model: Annotated[ModelName | None, READ] = None
    """A model of `GET /v1/models`, by key or display name; another one, or none, is the gateway's default."""
    stream: Annotated[bool | None, READ] = None
    """Answers as server-sent events."""
    max_output_tokens: Annotated[Tokens | None, READ] = None
    """Where the answer is cut off, in estimated tokens; 0 is no bound."""
    stop: Annotated[Stops | None, READ] = None
    """Texts before which the answer ends, as other APIs have them."""
    tools: Annotated[Listed | None, EMULATED] = None
    """Tools that the model may ask the client to call: `function`, `custom`, `namespace`, `tool_search` where the
    client searches, and `local_shell`, `shell` and `apply_patch` as far as the client runs them. Of those that OpenAI
    would run the model is told that it has none; alone they are refused."""
    tool_choice: Annotated[str | Json | None, EMULATED] = None
    """`none`, `auto`, `required`, the one tool that has to be called, or those that may be."""
    parallel_tool_calls: Annotated[bool | None, EMULATED] = None
    """Several calls in one answer."""
    text: Annotated[ResponseText | None, READ] = None
    """How the answer's text is to be."""
    reasoning: Annotated[ResponseReasoning | None, READ] = None
    """How the model is to reason."""
    metadata: Annotated[Json | None, READ] = None
    """The client's own, which is repeated."""
    user: Annotated[str | None, READ] = None
    """The client's own name for its user; conversations of one user prefer one account."""
    safety_identifier: Annotated[str | None, READ] = None
    """Stands in for `user`."""
    prompt_cache_key: Annotated[str | None, READ] = None
    """Stands in for both."""
    background: Annotated[
        bool | None,
        Refused("background must be false: the gateway answers while the client waits; use stream", unless=(False,)),
    ] = None
    """An answer to be fetched later."""
    conversation: Annotated[
        Any,
        Refused(
            "conversation is not supported: conversations are not kept here; continue with previous_response_id or"
            " send the items"
        ),
    ] = None
    """A conversation kept by its own id."""
    prompt: Annotated[
        Any,
        Refused("prompt is not supported: templates are not kept here; send their text as instructions or input"),
    ] = None
    """A template."""
    top_logprobs: Annotated[
        Any, Refused("Lingma tells no probabilities of tokens; leave top_logprobs out", unless=(0,))
    ] = None
    """Probabilities of tokens."""
    moderation: Annotated[
        Any,
        Refused("Lingma moderates as it does and tells no scores; leave moderation out"),
    ] = None
    """Scores of a model that moderates, or its blocking."""
    multi_agent: Annotated[
        Any,
        Refused(
            "Agents run on no server here; leave multi_agent out, and run them in your client",
            unless=({"enabled": False},),
        ),
    ] = None
    """Agents that OpenAI would run."""
    access_programs: Annotated[
        Any, Refused("Lingma knows no access programs; leave access_programs out", unless=({"cyber": "standard"},))
    ] = None
    """What OpenAI would let its models do."""
    personality: Annotated[
        Any, Refused("Lingma has no styles to choose from; leave personality out, and say it in instructions")
    ] = None
    """A style of OpenAI's models."""
    include: Annotated[Annotated[list[Any], Field(max_length=MAX_LISTED)] | None, WITHOUT_EFFECT] = None
    """More about hosted tools and encrypted reasoning, which there are not; probabilities of tokens are refused."""
    truncation: Annotated[Literal["auto", "disabled"] | None, WITHOUT_EFFECT] = None
    """Repeated: Lingma cuts conversations as it does."""
    temperature: Annotated[float | None, WITHOUT_EFFECT] = None
    """Repeated: Lingma samples as it does."""
    top_p: Annotated[float | None, WITHOUT_EFFECT] = None
    """The same."""
    max_tool_calls: Annotated[int | None, WITHOUT_EFFECT] = None
    """Repeated: it is about hosted tools."""
    service_tier: Annotated[Any, WITHOUT_EFFECT] = None
    """There is one."""
    stream_options: Annotated[Any, WITHOUT_EFFECT] = None
    """Padding of events."""
    context_management: Annotated[Any, WITHOUT_EFFECT] = None
    """When OpenAI would sum a conversation up by itself."""
    prompt_cache_retention: Annotated[Any, WITHOUT_EFFECT] = None
    """How long OpenAI would keep a prompt."""
    prompt_cache_options: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma caches as it does."""
    background_options: Annotated[Any, WITHOUT_EFFECT] = None
    """Of `background`, which is refused."""
    image: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma takes pictures as it does."""
    client_metadata: Annotated[Any, WITHOUT_EFFECT] = None
    """What Codex tells of itself."""

    @field_validator("include")
    @classmethod
    def _without_probabilities(cls, include: list[Any] | None) -> list[Any] | None:
        if include and "message.output_text.logprobs" in include:
            raise wrong("asks for probabilities of tokens, which Lingma does not tell: leave that entry out")
        return include
