"""What requests of every surface have: the body as an object, the model's name, what ends an answer.

Knows JSON and the bounds that hold everywhere; must not know which surface a field came by.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import from_json

from lingma_trio.api.body_text import unreadable
from lingma_trio.api.fields import invalid, kind, positive_integer, string
from lingma_trio.api.json_size import check_size
from lingma_trio.errors import InvalidRequest

# The model's name is repeated in every chunk, so a long one would be multiplied by the length of the answer.
MAX_MODEL_LENGTH = 256

# OpenAI takes 4; each one is searched for in every delta, so both bounds keep a delta's cost small.
MAX_STOPS = 16
MAX_STOP_LENGTH = 1024

MAX_MESSAGES: Final = 10_000
"""Messages of a conversation, or items of it. With a hundred tokens in each they are a million, which no model reads;
but each costs some microseconds of the loop's time before it is asked, however little is in it."""

MAX_PARTS: Final = 5_000
"""Parts of a message's content, and calls in it. Clients send some hundred in their longest turns."""


def read_body(body: bytes) -> dict[str, Any]:
    """Return the request's body as the object it has to be.

    Raises `InvalidRequest` for anything else, and `BodyTooLarge` for what would take too long to read.
    """
    check_size(body)
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(unreadable(body, str(error)), param="body") from error
    if not isinstance(value, dict):
        raise InvalidRequest(f"The request body must be a JSON object, not {kind(value)}.", param="body")
    return value


def read_model(value: object) -> str:
    """Return the model's name without blanks round it, and the empty string for null."""
    model = string(value, param="model").strip()
    if len(model) > MAX_MODEL_LENGTH:
        raise InvalidRequest(f"model must be no longer than {MAX_MODEL_LENGTH} characters.", param="model")
    return model


def read_limit(value: object, *, param: str) -> int | None:
    """Return the bound on an answer's tokens, None for none.

    0 is none as well: the APIs' schemas allow it, and nobody who has it filled in wants an empty answer.
    """
    return None if type(value) is int and value == 0 else positive_integer(value, param=param)


def read_stop(value: object, *, param: str) -> tuple[str, ...]:
    """Return the texts before which an answer ends, given as one string, as an array of them or as null."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (_checked_stop(value, param=param),)
    if not isinstance(value, list):
        raise invalid(param, "a string, an array of strings, or null", value)
    if len(value) > MAX_STOPS:
        raise InvalidRequest(f"{param} must hold no more than {MAX_STOPS} sequences.", param=param)
    return tuple(_checked_stop(item, param=f"{param}[{index}]") for index, item in enumerate(value))


def _checked_stop(value: object, *, param: str) -> str:
    if not isinstance(value, str):
        raise invalid(param, "a string", value)
    if not 1 <= len(value) <= MAX_STOP_LENGTH:
        raise InvalidRequest(f"{param} must have 1 to {MAX_STOP_LENGTH} characters.", param=param)
    return value
