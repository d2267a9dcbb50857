"""The body of a legacy completion request as what the gateway is asked to do.

Knows the request fields of OpenAI's legacy completions; must not know HTTP, the models that exist, or how a limit is
enforced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.completions.body import CompletionBody
from lingma_trio.api.completions.stream import CompletionStream
from lingma_trio.api.encoder import Encoder
from lingma_trio.api.fields import boolean, invalid, optional_object, positive_integer, string
from lingma_trio.api.request_fields import read_body, read_limit, read_model, read_stop
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, Prompt

_FILL_IN: Final = (
    "The next message is the beginning of a text and the one after it is the end of the same text. Reply with exactly "
    "what belongs between the two and with nothing else: no explanation, no code fence, and nothing of either."
)


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What a client asks for.

    `max_tokens` bounds the answer, None for no bound. `echo` is what the answer repeats ahead of itself, which is the
    prompt or nothing. `include_usage` asks for token counts at the end of a stream.
    """

    prompt: Prompt
    model: str
    stream: bool
    include_usage: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    user: str
    echo: str

    def encoder(self, origin: Origin) -> Encoder:
        """Return the encoder of a `text_completion`, whole or in chunks."""
        identity = f"cmpl-{origin.id}"
        if not self.stream:
            return CompletionBody(id=identity, model=origin.model, created=origin.created, echo=self.echo)
        return CompletionStream(
            id=identity,
            model=origin.model,
            created=origin.created,
            echo=self.echo,
            include_usage=self.include_usage,
        )


def parse(body: bytes) -> CompletionRequest:
    """Read the body of `POST /v1/completions`.

    Unknown fields are ignored and null counts as absent. Raises `InvalidRequest`, and nothing else whatever the bytes,
    with `param` naming the field at fault, or `body` where the body as a whole is.
    """
    fields = read_body(body)
    for param in ("n", "best_of"):
        _refuse_choices(fields, param)
    prompt = _read_prompt(fields.get("prompt"))
    streaming = optional_object(fields.get("stream_options"), param="stream_options")
    return CompletionRequest(
        prompt=Prompt(_messages(prompt, string(fields.get("suffix"), param="suffix")), once=True),
        model=read_model(fields.get("model")),
        stream=boolean(fields.get("stream"), param="stream"),
        include_usage=boolean(streaming.get("include_usage"), param="stream_options.include_usage"),
        max_tokens=read_limit(fields.get("max_tokens"), param="max_tokens"),
        stop=read_stop(fields.get("stop"), param="stop"),
        user=string(fields.get("user"), param="user"),
        echo=prompt if boolean(fields.get("echo"), param="echo") else "",
    )


def _refuse_choices(fields: Mapping[str, Any], param: str) -> None:
    value = fields.get(param)
    number = None if type(value) is int and value == 0 else positive_integer(value, param=param)
    if number is not None and number > 1:
        raise InvalidRequest(f"{param} must be 1: the gateway gives one answer for a request.", param=param)


def _read_prompt(value: object) -> str:
    """Read the text to be continued: a string, or an array of one string."""
    if isinstance(value, list):
        if len(value) != 1:
            raise InvalidRequest("prompt must be one string: the gateway gives one answer.", param="prompt")
        value = value[0]
    if not isinstance(value, str):
        raise invalid("prompt", "a string, or an array of one string; tokens cannot be read", value)
    if not value.strip():
        raise InvalidRequest("prompt must not be empty: there is nothing to continue.", param="prompt")
    return value


def _messages(prompt: str, suffix: str) -> tuple[Message, ...]:
    if not suffix:
        return (Message("user", prompt),)
    return (
        Message("system", _FILL_IN),
        Message("user", prompt, name="beginning"),
        Message("user", suffix, name="end"),
    )
