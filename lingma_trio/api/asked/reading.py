"""Reads the bytes of a request as the model that describes it.

Knows bytes and bounds; must not know any surface.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from lingma_trio.api.asked.faults import BODY, body_fault
from lingma_trio.api.asked.shapes import Asked
from lingma_trio.api.body_text import unreadable
from lingma_trio.api.json_size import check_size
from lingma_trio.errors import InvalidRequest

Described = TypeVar("Described", bound=Asked)


def read_as(described: type[Described], body: bytes) -> Described:
    """Return the body of a request as what describes it, in one pass.

    Null counts as absent, and of a name that occurs twice in an object the last value counts. Every text of the result
    can be encoded as UTF-8: lone surrogates are not accepted. Raises `InvalidRequest`, and nothing else whatever the
    bytes, with `param` naming the field at fault, or `body` where the body as a whole is; and `BodyTooLarge` for what
    would take too long to read.
    """
    check_size(body)
    _check_numbers(body)
    try:
        return described.model_validate_json(body)
    except ValidationError as error:
        raise body_fault(error, body) from error


def _check_numbers(body: bytes) -> None:
    """Refuse what is no number in JSON and one in the reader's eyes; where only a text holds it, nothing is wrong."""
    if b"NaN" in body or b"Infinity" in body:
        try:
            from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise InvalidRequest(unreadable(body, str(error)), param=BODY) from error
