"""The body of a chat completion request as what the gateway is asked to do.

Knows OpenAI's request fields; must not know HTTP, the models that exist, or how a limit is enforced.
"""

from __future__ import annotations

from dataclasses import replace

from lingma_trio.api.answer_request import AnswerRequest, Origin
from lingma_trio.api.asked.fields import limit_of, stops_of
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.beginnings import to_be_answered
from lingma_trio.api.choices import Choices, SeveralAnswers
from lingma_trio.api.openai import asked as asked_form
from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.openai.messages import read_messages
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.api.openai.tools import read_tools
from lingma_trio.errors import InvalidRequest
from lingma_trio.records import record
from lingma_trio.turns import Prompt


@record
class ChatRequest:
    """What a client asks for.

    `model` is the name as the client gave it, or empty for the gateway's default. `max_tokens` bounds the answer, None
    for no bound, which is also how a bound of 0 is read; `stop` are the texts before which the answer ends. `user` is
    the client's own name for its user, or empty. `include_usage` asks for token counts at the end of a stream.
    `legacy_functions` says that the client declares `functions`, the form before tools, and is answered in kind. `n` is
    how many answers are wanted. `custom` names the tools that take a text and not an object.
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
    custom: frozenset[str] = frozenset()

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
                custom=self.custom,
            )
        return ChatStream(
            id=identity,
            model=origin.model,
            created=origin.created,
            include_usage=self.include_usage,
            legacy_functions=self.legacy_functions,
            index=index,
            custom=self.custom,
        )


def parse(body: bytes) -> ChatRequest:
    """Read the body of `POST /v1/chat/completions`; raises what `read_as` and `as_request` do."""
    return as_request(read_as(asked_form.ChatCompletionRequest, body))


def as_request(asked: asked_form.ChatCompletionRequest) -> ChatRequest:
    """Return what a client asks for; raises `InvalidRequest` whose `param` is the path of the field at fault."""
    messages = read_messages(_messages_of(asked))
    tools = read_tools(asked)
    return ChatRequest(
        prompt=Prompt(
            to_be_answered(messages, param="messages", wanted=tools.answer_format),
            tools=tools.configuration,
            toolbox=tools.toolbox,
            answer_format=tools.answer_format,
            effort=asked.reasoning_effort or "medium",
            verbosity=asked.verbosity or "medium",
        ),
        model=asked.model or "",
        stream=bool(asked.stream),
        include_usage=asked.stream_options is not None and bool(asked.stream_options.include_usage),
        max_tokens=limit_of(asked.max_completion_tokens, asked.max_tokens),
        stop=stops_of(asked.stop),
        user=_read_user(asked),
        legacy_functions=tools.legacy,
        ignored=asked.unknown,
        n=asked.n or 1,
        custom=tools.custom,
    )


def _messages_of(asked: asked_form.ChatCompletionRequest) -> list[asked_form.ChatMessage]:
    if asked.messages:
        return asked.messages
    if (asked.model_extra or {}).get("prompt") is not None:
        raise InvalidRequest(
            "prompt belongs to the legacy completions; chat completions take messages. Send it to /v1/completions, or"
            ' send {"messages": [{"role": "user", "content": "..."}]}.',
            param="prompt",
        )
    if asked.messages is None:
        raise InvalidRequest(
            'messages is missing: send at least [{"role": "user", "content": "..."}].', param="messages"
        )
    raise InvalidRequest("messages must not be empty: send at least one message.", param="messages")


def _read_user(asked: asked_form.ChatCompletionRequest) -> str:
    """Read `user`, or `metadata.user_id`; metadata is the client's own, so nothing in it is ever at fault."""
    named = asked.metadata.get("user_id") if isinstance(asked.metadata, dict) else None
    user = named if isinstance(named, str) else ""
    return asked.user or user or asked.safety_identifier or asked.prompt_cache_key or ""
