"""The body of a legacy completion request as what the gateway is asked to do.

Knows the request fields of OpenAI's legacy completions; must not know HTTP, the models that exist, or how a limit is
enforced.
"""

from __future__ import annotations

from typing import Final

from lingma_trio.api.answer_request import AnswerRequest, Origin
from lingma_trio.api.asked.fields import limit_of, stops_of
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.choices import Choices, SeveralAnswers
from lingma_trio.api.completions import asked as asked_form
from lingma_trio.api.completions.body import CompletionBody
from lingma_trio.api.completions.stream import CompletionStream
from lingma_trio.api.filling_in import to_fill_in
from lingma_trio.errors import InvalidRequest
from lingma_trio.records import record
from lingma_trio.turns import Message, Prompt

MOST_ANSWERS: Final = 16
"""Of one request: OpenAI's editors ask for a few, and each is a turn that holds a slot for as long as it takes."""


@record
class CompletionRequest:
    """What a client asks for.

    There are `each` answers for each of the `prompts`, whose `texts` the answers repeat ahead of themselves where
    `echo` says so. `max_tokens` bounds each answer, None for no bound. `include_usage` asks for token counts at the end
    of a stream. `ignored` names fields that nobody described.
    """

    prompts: tuple[Prompt, ...]
    texts: tuple[str, ...]
    each: int
    model: str
    stream: bool
    include_usage: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    user: str
    echo: bool
    ignored: tuple[str, ...] = ()

    @property
    def prompt(self) -> Prompt:
        """What is asked first."""
        return self.prompts[0]

    def wanted(self) -> AnswerRequest | SeveralAnswers:
        """The request as one for an answer, or for several."""
        if len(self.prompts) * self.each == 1:
            return self
        return SeveralAnswers(self, self.prompts, self.each, self.choices)

    def encoder(self, origin: Origin) -> CompletionBody | CompletionStream:
        """Return the encoder of a `text_completion`, whole or in chunks."""
        return self._encoder(origin, 0)

    def choices(self, origin: Origin) -> Choices:
        """Return the encoders of all answers."""
        count = len(self.prompts) * self.each
        return Choices([self._encoder(origin, index) for index in range(count)], stream=self.stream)

    def _encoder(self, origin: Origin, index: int) -> CompletionBody | CompletionStream:
        identity = f"cmpl-{origin.id}"
        echo = self.texts[index // self.each] if self.echo else ""
        if not self.stream:
            return CompletionBody(id=identity, model=origin.model, created=origin.created, echo=echo, index=index)
        return CompletionStream(
            id=identity,
            model=origin.model,
            created=origin.created,
            echo=echo,
            include_usage=self.include_usage,
            index=index,
        )


def parse(body: bytes) -> AnswerRequest | SeveralAnswers:
    """Read the body of `POST /v1/completions` as what is wanted of Lingma; as `read`."""
    return read(body).wanted()


def read(body: bytes) -> CompletionRequest:
    """Read the body of `POST /v1/completions`; raises what `read_as` does.

    `InvalidRequest` is also for more answers than one request may have.
    """
    asked = read_as(asked_form.CompletionRequest, body)
    texts = (asked.prompt,) if isinstance(asked.prompt, str) else tuple(asked.prompt)
    each = asked.n or 1
    if len(texts) * each > MOST_ANSWERS:
        raise InvalidRequest(
            f"n times the number of prompts must be at most {MOST_ANSWERS}, and is {len(texts) * each}: send fewer of"
            " them, or several requests.",
            param="n" if asked.n else "prompt",
        )
    if (asked.best_of or 1) > each:
        raise InvalidRequest(
            f"best_of must be at most n, which is {each}: Lingma tells no probabilities to choose answers by.",
            param="best_of",
        )
    options = asked.stream_options
    return CompletionRequest(
        prompts=tuple(Prompt(_messages(text, asked.suffix or ""), once=True) for text in texts),
        texts=texts,
        each=each,
        model=asked.model or "",
        stream=bool(asked.stream),
        include_usage=options is not None and bool(options.include_usage),
        max_tokens=limit_of(asked.max_tokens),
        stop=stops_of(asked.stop),
        user=asked.user or "",
        echo=bool(asked.echo),
        ignored=asked.unknown,
    )


def _messages(prompt: str, suffix: str) -> tuple[Message, ...]:
    return to_fill_in(prompt, suffix) if suffix else (Message("user", prompt),)
