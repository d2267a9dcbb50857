"""A request for a message, or for its count of tokens, as a client asks for it.

Describes Anthropic's request; what is made of it is `request`'s.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from lingma_trio.api.anthropic.asked_blocks import Blocks
from lingma_trio.api.anthropic.asked_tools import MessagesTool, ToolChoice
from lingma_trio.api.asked.fields import MAX_MESSAGES, ModelName, Stops, Tokens
from lingma_trio.api.asked.shapes import EMULATED, READ, WITHOUT_EFFECT, Asked, Body, Refused
from lingma_trio.api.toolbox import MAX_LISTED
from lingma_trio.turns import Effort

Tools: TypeAlias = Annotated[list[MessagesTool], Field(max_length=MAX_LISTED, fail_fast=True)]


class TurnConfig(Asked):
    """What holds for one turn of the model's."""

    effort: Annotated[Effort | None, EMULATED] = None
    """How hard the model is to think; it goes before that of the request."""


class Turn(Asked):
    """One turn of the conversation."""

    role: Annotated[Literal["user", "assistant", "system"], READ]
    """Who says it; a system turn goes before the user's turn that it follows."""
    content: Annotated[str | Blocks | None, READ] = None
    """A text, or blocks."""
    clear_at: Annotated[Literal["next_user_message", "never"] | None, READ] = None
    """Of a system turn: when its text is no longer shown."""
    output_config: Annotated[TurnConfig | None, READ] = None
    """Of a system turn: what holds for the model's next."""


class Thinking(Asked):
    """Whether the model's reasoning is shown."""

    type: Annotated[str | None, READ] = None
    """`enabled` and `adaptive` show it."""
    display: Annotated[str | None, READ] = None
    """`omitted` does not."""
    budget_tokens: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma thinks as long as it does."""
    block_binding: Annotated[Any, WITHOUT_EFFECT] = None
    """Reasoning that is sent back is left out."""


class JsonFormat(Asked):
    """JSON of a schema."""

    type: Annotated[Literal["json_schema"], READ]
    """What it is."""
    schema_: Annotated[dict[str, Any], Field(alias="schema"), EMULATED]
    """What the answer has to keep."""


class OutputConfig(Asked):
    """How the answer is to be."""

    format: Annotated[JsonFormat | None, EMULATED] = None
    """Its format."""
    effort: Annotated[Effort | None, EMULATED] = None
    """How hard the model is to think."""
    task_budget: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma knows of no budget."""


class Thread(Asked):
    """A conversation that is kept here, so that a later request has to send only what is new.

    It is kept as long, in as little room and for as few as the responses of `POST /v1/responses` are.
    """

    type: Annotated[Literal["create", "continue"], READ]
    """Whether the conversation begins or goes on."""
    previous_message_id: Annotated[str | None, READ] = None
    """With `continue`: the id of the answer that it goes on from, as often as one likes."""


class MessagesRequest(Body):
    """A conversation to be continued."""

    messages: Annotated[Annotated[list[Turn], Field(min_length=1, max_length=MAX_MESSAGES, fail_fast=True)], READ]
    """The conversation, oldest turn first; with a `thread` that goes on, what is new of it."""
    system: Annotated[str | Blocks | None, READ] = None
    """What holds for all of it: a text, or blocks."""
    model: Annotated[ModelName | None, READ] = None
    """A model of `GET /v1/models`, by key or display name; another one, or none, is the gateway's default."""
    stream: Annotated[bool | None, READ] = None
    """Answers as server-sent events, each with a piece of the answer."""
    max_tokens: Annotated[Tokens | None, READ] = None
    """Where the answer is cut off, in estimated tokens; 0 and none are no bound."""
    stop_sequences: Annotated[Stops | None, READ] = None
    """Texts before which the answer ends."""
    thinking: Annotated[Thinking | None, READ] = None
    """Whether the model's reasoning is shown."""
    tools: Annotated[Tools | None, EMULATED] = None
    """Tools that the model may ask the client to call."""
    tool_choice: Annotated[ToolChoice | None, EMULATED] = None
    """How they may be used."""
    output_config: Annotated[OutputConfig | None, READ] = None
    """How the answer is to be."""
    output_format: Annotated[JsonFormat | None, EMULATED] = None
    """The older place of its format."""
    metadata: Annotated[Any, READ] = None
    """The client's own; conversations of one `user_id` in it prefer one account."""
    thread: Annotated[Thread | None, READ] = None
    """Keeps the conversation."""
    context_management: Annotated[Any, WITHOUT_EFFECT] = None
    """What is old is neither cleared nor summed up here: all of the conversation is shown to the model."""
    compaction: Annotated[
        Any, Refused("Conversations are not summed up by this request; ask for a summary in a turn of the user's")
    ] = None
    """A summary of the conversation in the place of an answer; a count of tokens takes no notice of it."""
    mcp_servers: Annotated[Annotated[list[Any], Field(max_length=MAX_LISTED)] | None, EMULATED] = None
    """None of them is asked: the model is told so where it has tools, and without any the request is refused."""
    container: Annotated[Any, Refused("Code runs on no server here; leave container out")] = None
    """Where code would run."""
    inference_geo: Annotated[
        str | None,
        Refused("Lingma does not say where it runs; leave inference_geo out", unless=("global", "not_available")),
    ] = None
    """Where the model would run."""
    fallbacks: Annotated[Any, WITHOUT_EFFECT] = None
    """A model that declines has nobody in its place."""
    fallback_credit_token: Annotated[Any, WITHOUT_EFFECT] = None
    """For the bill, and there is none."""
    billing_policy: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    service_tier: Annotated[Any, WITHOUT_EFFECT] = None
    """There is one."""
    speed: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    diagnostics: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma tells nothing of its cache."""
    cache_control: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma caches as it does."""
    betas: Annotated[Any, WITHOUT_EFFECT] = None
    """What is served needs none."""
    user_profile_id: Annotated[Any, WITHOUT_EFFECT] = None
    """For the bill, and there is none."""
    workspace_id: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    temperature: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma samples as it does."""
    top_p: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    top_k: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""


class CountRequest(MessagesRequest):
    """A request for a count of tokens, which is that of the conversation as it is sent."""

    compaction: Annotated[Any, WITHOUT_EFFECT] = None
    """A summary in the place of an answer, and there is none."""
