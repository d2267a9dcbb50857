"""Reading the fields of loosely typed JSON, with faults that name the field and say what belongs there.

Knows JSON's types; must not know which fields an API has. No message repeats a value, since values are prompt text.
"""

from __future__ import annotations

import re
from typing import Any

from lingma_trio.errors import InvalidRequest

_MAX_KIND = 40
_UNSAFE_IN_KIND = re.compile(r"[^A-Za-z0-9_.-]+")


def kind(value: object) -> str:
    """Return what `value`, as JSON was parsed into it, is called in JSON, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def safe_kind(kind: str, otherwise: str) -> str:
    """Return a client's own word for a kind of thing as a message may hold it; `otherwise` where nothing is left."""
    return _UNSAFE_IN_KIND.sub("", kind[:_MAX_KIND]) or otherwise


def invalid(param: str, expected: str, value: object) -> InvalidRequest:
    """Return the fault of a field `param` that has to be `expected`, a noun phrase, and holds `value`."""
    return InvalidRequest(f"{param} must be {expected}, not {kind(value)}.", param=param)


def string(value: object, *, param: str) -> str:
    """Return a string as it is and the empty string for null; raises `InvalidRequest` for anything else."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise invalid(param, "a string", value)


def required_string(value: object, *, param: str) -> str:
    """Return a string as it is; raises `InvalidRequest` for anything else, null included."""
    if isinstance(value, str):
        return value
    raise invalid(param, "a string", value)


def json_object(value: object, *, param: str) -> dict[str, Any]:
    """Return an object as it is; raises `InvalidRequest` for anything else, null included."""
    if isinstance(value, dict):
        return value
    raise invalid(param, "an object", value)


def optional_object(value: object, *, param: str) -> dict[str, Any]:
    """Return an object as it is and an empty one for null; raises `InvalidRequest` for anything else."""
    return {} if value is None else json_object(value, param=param)


def optional_array(value: object, *, param: str) -> list[Any]:
    """Return an array as it is and an empty one for null; raises `InvalidRequest` for anything else."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise invalid(param, "an array", value)


def check_length(length: int, most: int, *, param: str) -> None:
    """Raise `InvalidRequest` for an array of `length`, the value of `param`, that may hold no more than `most`."""
    if length > most:
        raise InvalidRequest(f"{param} must hold no more than {most} entries, not {length}.", param=param)
