"""Legacy completions, as a client asks for them.

Describes OpenAI's request as far as the gateway reads it; what is made of it is `request`'s.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from lingma_trio.api.asked.fields import LogitBias, ModelName, Stops, StreamOptions, Tokens
from lingma_trio.api.asked.shapes import READ, WITHOUT_EFFECT, Body, Refused, wrong

Text = Annotated[str, StringConstraints(pattern=r"\S")]
MOST_EACH = 4
MOST_PROMPTS = 16
Number = Annotated[int, Field(ge=0, le=MOST_EACH)]


def _texts_only(value: object) -> object:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and not all(isinstance(text, str) and text.strip() for text in texts):
        raise wrong(
            "must be a string or an array of strings, none of them blank; token ids are of a vocabulary that Lingma"
            " does not have"
        )
    return value


class CompletionRequest(Body):
    """A text to be continued."""

    prompt: Annotated[
        Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_PROMPTS, fail_fast=True)],
        BeforeValidator(_texts_only),
        READ,
    ]
    """The text, or an array of texts, each of which is continued. Arrays of token ids are none."""
    suffix: Annotated[str | None, READ] = None
    """What comes after the text that is asked for."""
    model: Annotated[ModelName | None, READ] = None
    """A model of `GET /v1/models`, by key or display name; another one, or none, is the gateway's default."""
    stream: Annotated[bool | None, READ] = None
    """Answers as server-sent events, each with a piece of the answer."""
    stream_options: Annotated[StreamOptions | None, READ] = None
    """Of a stream."""
    max_tokens: Annotated[Tokens | None, READ] = None
    """Where the answer is cut off, in estimated tokens; 0 and none are no bound."""
    stop: Annotated[Stops | None, READ] = None
    """Texts before which the answer ends."""
    echo: Annotated[bool | None, READ] = None
    """Repeats the prompt ahead of the answer."""
    n: Annotated[Number | None, READ] = None
    """How many answers to each text; with the number of texts no more than 16 in all."""
    best_of: Annotated[Number | None, READ] = None
    """Of how many answers the best are given; no more than `n`, since nothing tells which is better."""
    user: Annotated[str | None, READ] = None
    """The client's own name for its user; requests of one user prefer one account."""
    logprobs: Annotated[
        Any, Refused("Lingma tells no probabilities of tokens; leave logprobs out", unless=(False, 0))
    ] = None
    """Probabilities of tokens."""
    logit_bias: LogitBias = None
    """Tokens to be preferred or avoided."""
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
