"""The body of a chat completion request as what the gateway is asked to do.

Knows OpenAI's request fields; must not know HTTP, the models that exist, or how a limit is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lingma_trio.api.answer_request import AnswerRequest, Origin
from lingma_trio.api.beginnings import to_be_answered
from lingma_trio.api.choices import Choices, SeveralAnswers
from lingma_trio.api.fields import boolean, optional_object, positive_integer, string
from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.openai.messages import read_messages
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.api.openai.tools import read_tools
from lingma_trio.api.request_fields import read_body, read_limit, read_model, read_stop
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Prompt

MOST_ANSWERS = 4
"""Of one request. Each is a turn of its own."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a client asks for.

    `model` is the name as the client gave it, or empty for the gateway's default. `max_tokens` bounds the answer, None
    for no bound, which is also how a bound of 0 is read; `stop` are the texts before which the answer ends. `user` is
    the client's own name for its user, or empty. `include_usage` asks for token counts at the end of a stream.
    `legacy_functions` says that the client declares `functions`, the form before tools, and is answered in kind. `n` is
    how many answers are wanted.
    """

    prompt: Prompt
    model: str
    stream: bool
    include_usage: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    user: str
    legacy_functions: bool = False
    ignored: tuple[str, ...] = ()
    n: int = 1

    def wanted(self) -> AnswerRequest | SeveralAnswers:
        """The request as one for an answer, or for several.

        Of several answers the client goes on from one at the most, so none of their sessions is worth remembering.
        """
        if self.n == 1:
            return self
        return SeveralAnswers(self, (replace(self.prompt, once=True),), self.n, self.choices)

    def encoder(self, origin: Origin) -> ChatBody | ChatStream:
        """Return the encoder of a `chat.completion`, whole or in chunks."""
        return self._encoder(origin, 0)

    def choices(self, origin: Origin) -> Choices:
        """Return the encoders of all answers."""
        return Choices([self._encoder(origin, index) for index in range(self.n)], stream=self.stream)

    def _encoder(self, origin: Origin, index: int) -> ChatBody | ChatStream:
        identity = f"chatcmpl-{origin.id}"
        if not self.stream:
            return ChatBody(
                id=identity,
                model=origin.model,
                created=origin.created,
                legacy_functions=self.legacy_functions,
                index=index,
            )
        return ChatStream(
            id=identity,
            model=origin.model,
            created=origin.created,
            include_usage=self.include_usage,
            legacy_functions=self.legacy_functions,
            index=index,
        )


def parse(body: bytes) -> ChatRequest:
    """Read the body of `POST /v1/chat/completions`.

    Unknown fields are ignored and null counts as absent. Where a name occurs twice in an object its last value
    counts, as with most readers of JSON. Every text of the result can be encoded as UTF-8: lone surrogates are not
    accepted. Raises `InvalidRequest`, and nothing else whatever the bytes, with `param` naming the field at fault, or
    `body` where the body as a whole is.
    """
    return read_request(read_body(body))


def read_request(fields: dict[str, Any]) -> ChatRequest:
    """Read the fields of a request for a chat completion; as `parse`."""
    tools = read_tools(fields)
    streaming = optional_object(fields.get("stream_options"), param="stream_options")
    return ChatRequest(
        prompt=Prompt(
            to_be_answered(read_messages(_messages_of(fields)), param="messages", wanted=tools.answer_format),
            tools=tools.configuration,
            toolbox=tools.toolbox,
            answer_format=tools.answer_format,
        ),
        model=read_model(fields.get("model")),
        stream=boolean(fields.get("stream"), param="stream"),
        include_usage=boolean(streaming.get("include_usage"), param="stream_options.include_usage"),
        max_tokens=_read_max_tokens(fields),
        stop=read_stop(fields.get("stop"), param="stop"),
        user=_read_user(fields),
        legacy_functions=tools.legacy,
        n=_read_number(fields.get("n")),
    )


def _messages_of(fields: dict[str, Any]) -> object:
    messages = fields.get("messages")
    if messages:
        return messages
    if fields.get("prompt") is not None:
        raise InvalidRequest(
            "prompt belongs to the legacy completions; chat completions take messages. Send it to /v1/completions, or"
            ' send {"messages": [{"role": "user", "content": "..."}]}.',
            param="prompt",
        )
    if messages is None:
        raise InvalidRequest(
            'messages is missing: send at least [{"role": "user", "content": "..."}].', param="messages"
        )
    return messages


def _read_number(value: object) -> int:
    number = positive_integer(value, param="n") or 1
    if number > MOST_ANSWERS:
        raise InvalidRequest(f"n must be at most {MOST_ANSWERS}.", param="n")
    return number


def _read_max_tokens(fields: dict[str, Any]) -> int | None:
    """Read the bound on the answer under its two names; the older one is not looked at beside the newer."""
    limits = (read_limit(fields.get(param), param=param) for param in ("max_completion_tokens", "max_tokens"))
    return next((limit for limit in limits if limit is not None), None)


def _read_user(fields: dict[str, Any]) -> str:
    """Read `user`, or `metadata.user_id`; metadata is the client's own, so nothing in it is ever at fault."""
    user = string(fields.get("user"), param="user")
    metadata = fields.get("metadata")
    if user or not isinstance(metadata, dict):
        return user
    user_id = metadata.get("user_id")
    return user_id if isinstance(user_id, str) else ""
