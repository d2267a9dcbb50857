"""Fields that requests of every surface have: the model's name, bounds on the answer, what ends it.

Knows the bounds that hold everywhere; must not know which surface a field came by.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints

from lingma_trio.api.asked.shapes import READ, WITHOUT_EFFECT, Asked, Refused

MAX_MODEL_LENGTH: Final = 256
"""Characters. The model's name is repeated in every chunk, so a long one would be multiplied by the answer's length."""

MAX_STOPS: Final = 16
MAX_STOP_LENGTH: Final = 1024
"""OpenAI takes 4; each one is searched for in every delta, so both bounds keep a delta's cost small."""

MAX_MESSAGES: Final = 10_000
"""Messages of a conversation, or items of it. With a hundred tokens in each they are a million, which no model reads;
but each costs some microseconds of the loop's time before it is asked, however little is in it."""

MAX_PARTS: Final = 5_000
"""Parts of a message's content, and calls in it. Clients send some hundred in their longest turns."""

ModelName: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_MODEL_LENGTH)]

Tokens: TypeAlias = Annotated[int, Field(ge=0)]
"""A bound on an answer. 0 is none: the APIs' schemas allow it, and nobody who has it filled in wants no answer."""

Stop: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAX_STOP_LENGTH)]
Stops: TypeAlias = Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS, fail_fast=True)]


def _steering(value: object) -> object:
    """Return a bias without the tokens that it leaves as likely as they are."""
    return {token: bias for token, bias in value.items() if bias != 0} if isinstance(value, dict) else value


LogitBias: TypeAlias = Annotated[
    Any,
    Refused("Lingma's choice of tokens cannot be steered; leave logit_bias out", unless=({},)),
    BeforeValidator(_steering),
]
"""Tokens to be preferred or avoided. A bias of 0 does neither, so it is served."""


class StreamOptions(Asked):
    """What a stream holds beside the answer."""

    include_usage: Annotated[bool | None, READ] = None
    """Ends the stream with a chunk that holds the token counts and no choices."""
    include_obfuscation: Annotated[Any, WITHOUT_EFFECT] = None
    """Padding of chunks."""


def stops_of(value: str | list[str] | None) -> tuple[str, ...]:
    """Return the texts before which an answer ends, given as one, as an array of them or not at all."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def limit_of(*values: int | None) -> int | None:
    """Return the first bound on the answer's tokens that is one, or None."""
    return next((value for value in values if value), None)
