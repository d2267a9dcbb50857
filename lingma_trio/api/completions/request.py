"""The body of a legacy completion request as what the gateway is asked to do.

Knows the request fields of OpenAI's legacy completions; must not know HTTP, the models that exist, or how a limit is
enforced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.asked.fields import limit_of, stops_of
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.completions import asked as asked_form
from lingma_trio.api.completions.body import CompletionBody
from lingma_trio.api.completions.stream import CompletionStream
from lingma_trio.api.encoder import Encoder
from lingma_trio.turns import Message, Prompt

_FILL_IN: Final = (
    "The next message is the beginning of a text and the one after it is the end of the same text. Reply with exactly "
    "what belongs between the two and with nothing else: no explanation, no code fence, and nothing of either."
)


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What a client asks for.

    `max_tokens` bounds the answer, None for no bound. `echo` is what the answer repeats ahead of itself, which is the
    prompt or nothing. `include_usage` asks for token counts at the end of a stream. `ignored` names fields that nobody
    described.
    """

    prompt: Prompt
    model: str
    stream: bool
    include_usage: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    user: str
    echo: str
    ignored: tuple[str, ...] = ()

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
    """Read the body of `POST /v1/completions`; raises what `read_as` does."""
    asked = read_as(asked_form.CompletionRequest, body)
    prompt = asked.prompt if isinstance(asked.prompt, str) else asked.prompt[0]
    options = asked.stream_options
    return CompletionRequest(
        prompt=Prompt(_messages(prompt, asked.suffix or ""), once=True),
        model=asked.model or "",
        stream=bool(asked.stream),
        include_usage=options is not None and bool(options.include_usage),
        max_tokens=limit_of(asked.max_tokens),
        stop=stops_of(asked.stop),
        user=asked.user or "",
        echo=prompt if asked.echo else "",
        ignored=asked.unknown,
    )


def _messages(prompt: str, suffix: str) -> tuple[Message, ...]:
    if not suffix:
        return (Message("user", prompt),)
    return (
        Message("system", _FILL_IN),
        Message("user", prompt, name="beginning"),
        Message("user", suffix, name="end"),
    )
