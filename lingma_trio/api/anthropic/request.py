"""A request for a message, or for its count of tokens, as what the gateway is asked to do.

Knows Anthropic's request fields; must not know HTTP, the models that exist, or how a limit is enforced.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.anthropic import asked as asked_form
from lingma_trio.api.anthropic.asked_blocks import GivenToolUse
from lingma_trio.api.anthropic.body import MessageBody
from lingma_trio.api.anthropic.messages import read_messages
from lingma_trio.api.anthropic.stream import MessageStream
from lingma_trio.api.anthropic.threads import kept_of, whole
from lingma_trio.api.anthropic.tools import read_tools
from lingma_trio.api.asked.fields import limit_of, stops_of
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.beginnings import to_be_answered
from lingma_trio.policy.prompt_tokens import estimate_prompt
from lingma_trio.policy.response_store import Items, StoredResponse
from lingma_trio.records import record
from lingma_trio.turns import Effort, Prompt

MessageEncoder: TypeAlias = MessageBody | MessageStream

_SHOWN = frozenset({"enabled", "adaptive"})


@record
class MessagesRequest:
    """What a client asks for.

    `model` is the name as the client gave it, or empty for the gateway's default. `max_tokens` bounds the answer, None
    for no bound, which is also how a bound of 0 is read; `stop` are the texts before which the answer ends. `user` is
    the client's own name for its user, or empty. `thinking` says whether it wants to be shown the model's reasoning.

    `identity` is the answer's id without its prefix where the conversation is to be kept, else empty, which takes that
    of the origin; `given` is then what is to be kept of the request, and `before` the answer that it goes on from, or
    None.
    """

    prompt: Prompt
    model: str
    stream: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    user: str
    thinking: bool
    ignored: tuple[str, ...] = ()
    identity: str = ""
    given: Items = ()
    before: StoredResponse | None = None

    def encoder(self, origin: Origin) -> MessageEncoder:
        """Return the encoder of a `message`, whole or as events.

        The answer names the model as the client did: Anthropic's clients keep prices and context sizes by name, and
        take another name for another model's answer.
        """
        identity, model = f"msg_{self.identity or origin.id}", self.model or origin.model
        if not self.stream:
            return MessageBody(id=identity, model=model, thinking=self.thinking)
        return MessageStream(
            id=identity,
            model=model,
            prompt_tokens=estimate_prompt(self.prompt),
            thinking=self.thinking,
            keep=bool(self.identity),
        )


def read_body(body: bytes) -> asked_form.MessagesRequest:
    """Read the body of `POST /v1/messages`; raises what `read_as` does."""
    return read_as(asked_form.MessagesRequest, body)


def read_for_count(body: bytes) -> asked_form.MessagesRequest:
    """Read the body of `POST /v1/messages/count_tokens`, in which whatever an answer needs may be; raises the same."""
    return read_as(asked_form.CountRequest, body)


def as_request(asked: asked_form.MessagesRequest, *, held: int = 0) -> MessagesRequest:
    """Return what a client asks for; `held` of its turns are from earlier requests.

    Raises `InvalidRequest` whose `param` is the path of the field at fault.
    """
    messages = read_messages(asked.system, asked.messages, held=held)
    tools = read_tools(asked, held=held)
    return MessagesRequest(
        prompt=Prompt(
            to_be_answered(messages, param="messages", wanted=tools.answer_format),
            tools.configuration,
            tools.toolbox,
            tools.answer_format,
            effort=_effort(asked),
        ),
        model=asked.model or "",
        stream=bool(asked.stream),
        max_tokens=limit_of(asked.max_tokens),
        stop=stops_of(asked.stop_sequences),
        user=_read_user(asked.metadata),
        thinking=_shows(asked.thinking),
        ignored=asked.unknown,
    )


def threaded_request(
    asked: asked_form.MessagesRequest, before: StoredResponse | None, identity: str
) -> MessagesRequest:
    """Return what a client asks for in a conversation that is kept, up to the answer `before` or from its beginning.

    Raises what `as_request` does, and `BodyTooLarge` where the conversation would take too long to read.
    """
    given = kept_of(asked)
    complete = asked if before is None else whole(asked, before)
    request = as_request(complete, held=len(complete.messages) - len(asked.messages))
    return replace(request, given=given, before=before, identity=identity)


def _effort(asked: asked_form.MessagesRequest) -> Effort:
    """How hard to think: as the newest system turn of what is to be answered says, else as the request does.

    Calls and their results are within what is to be answered, as is the beginning of the answer.
    """
    for turn in reversed(asked.messages):
        if turn.role == "system" and turn.output_config is not None and turn.output_config.effort:
            return turn.output_config.effort
        if turn.role == "assistant" and turn is not asked.messages[-1] and not _calls(turn):
            break
    return (asked.output_config and asked.output_config.effort) or "medium"


def _calls(turn: asked_form.Turn) -> bool:
    return isinstance(turn.content, list) and any(isinstance(block, GivenToolUse) for block in turn.content)


def _read_user(metadata: object) -> str:
    """Read `metadata.user_id`; metadata is the client's own, so nothing in it is ever at fault."""
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    return user if isinstance(user, str) else ""


def _shows(thinking: asked_form.Thinking | None) -> bool:
    """Whether reasoning is to be shown: where it is turned on, and not where its display is turned off."""
    return thinking is not None and thinking.type in _SHOWN and thinking.display != "omitted"
