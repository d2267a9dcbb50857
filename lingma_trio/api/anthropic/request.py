"""A request for a message, or for its count of tokens, as what the gateway is asked to do.

Knows Anthropic's request fields; must not know HTTP, the models that exist, or how a limit is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.anthropic.body import MessageBody
from lingma_trio.api.anthropic.messages import read_messages
from lingma_trio.api.anthropic.stream import MessageStream
from lingma_trio.api.anthropic.tools import read_tools
from lingma_trio.api.encoder import Encoder
from lingma_trio.api.fields import boolean, optional_object
from lingma_trio.api.request_fields import read_body, read_limit, read_model, read_stop
from lingma_trio.errors import ThreadUnsupported
from lingma_trio.policy.prompt_tokens import estimate_prompt
from lingma_trio.turns import Prompt

_SHOWN = frozenset({"enabled", "adaptive"})


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """What a client asks for.

    `model` is the name as the client gave it, or empty for the gateway's default. `max_tokens` bounds the answer, None
    for no bound, which is also how a bound of 0 is read; `stop` are the texts before which the answer ends. `user` is
    the client's own name for its user, or empty. `thinking` says whether it wants to be shown the model's reasoning.
    """

    prompt: Prompt
    model: str
    stream: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    user: str
    thinking: bool
    ignored: tuple[str, ...] = ()

    def encoder(self, origin: Origin) -> Encoder:
        """Return the encoder of a `message`, whole or as events.

        The answer names the model as the client did: Anthropic's clients keep prices and context sizes by name, and
        take another name for another model's answer.
        """
        identity, model = f"msg_{origin.id}", self.model or origin.model
        if not self.stream:
            return MessageBody(id=identity, model=model, thinking=self.thinking)
        return MessageStream(
            id=identity, model=model, prompt_tokens=estimate_prompt(self.prompt), thinking=self.thinking
        )


def parse(body: bytes) -> MessagesRequest:
    """Read the body of `POST /v1/messages`, or of `POST /v1/messages/count_tokens`, which has some of its fields.

    Unknown fields are ignored and null counts as absent; so nothing but `messages` is required. Every text of the
    result can be encoded as UTF-8: lone surrogates are not accepted. Raises `InvalidRequest`, and nothing else whatever
    the bytes, with `param` naming the field at fault, or `body` where the body as a whole is.
    """
    fields = read_body(body)
    _refuse_thread(fields.get("thread"))
    messages = read_messages(fields.get("system"), fields.get("messages"))
    tools = read_tools(fields, messages=fields["messages"])
    return MessagesRequest(
        prompt=Prompt(messages, tools.configuration, tools.toolbox, tools.answer_format),
        model=read_model(fields.get("model")),
        stream=boolean(fields.get("stream"), param="stream"),
        max_tokens=read_limit(fields.get("max_tokens"), param="max_tokens"),
        stop=read_stop(fields.get("stop_sequences"), param="stop_sequences"),
        user=_read_user(fields.get("metadata")),
        thinking=_read_thinking(fields.get("thinking")),
    )


def _refuse_thread(thread: object) -> None:
    """Refuse a conversation to be kept here: Anthropic's tool runners would go on with nothing but what is new.

    Refused by this code, they send it all again and keep to that.
    """
    if thread is not None:
        raise ThreadUnsupported(
            "conversations are not kept here; leave thread out and send all messages.", param="thread"
        )


def _read_user(metadata: object) -> str:
    """Read `metadata.user_id`; metadata is the client's own, so nothing in it is ever at fault."""
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    return user if isinstance(user, str) else ""


def _read_thinking(value: object) -> bool:
    """Whether reasoning is to be shown: where it is turned on, and not where its display is turned off."""
    thinking: dict[str, Any] = optional_object(value, param="thinking")
    return thinking.get("type") in _SHOWN and thinking.get("display") != "omitted"
