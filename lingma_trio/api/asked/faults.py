"""What pydantic finds wrong with a request, as one fault that names the field and says what belongs there.

Knows pydantic's kinds of errors; must not know any surface. Of several faults the deepest one of the first place is
told: where a value may be one of several things, it is the one that the client came closest to. No message repeats a
value, since values are prompt text; the name of a kind is cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from lingma_trio.api.asked.shapes import OWN
from lingma_trio.api.body_text import unreadable
from lingma_trio.api.fields import kind, safe_kind
from lingma_trio.errors import InvalidRequest

Path: TypeAlias = tuple[str | int, ...]
_STEPS = re.compile(r"[.\[]")

BODY: Final = "body"
"""What a fault names that is the whole body's."""

_NOUNS: Final = {
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "list_type": "an array",
    "tuple_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "union_tag_not_found": "an object with a `type`",
    "none_required": "null",
}
_SENTENCES: Final = {
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must be no longer than {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "must hold no more than {max_length} entries",
    "too_short": "must hold at least {min_length} entries",
    "literal_error": "must be one of {expected}",
}


@dataclass(frozen=True, slots=True)
class _Found:
    """One error, and where in the body it is."""

    path: Path
    error: ErrorDetails

    @property
    def depth(self) -> int:
        """How far into the body; a kind that is not known is the fault of the field that says it."""
        return len(self.path) + (self.error["type"] == "union_tag_invalid")


def body_fault(error: ValidationError, body: bytes) -> InvalidRequest:
    """Return the fault for what was found wrong with a body, JSON or not."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return InvalidRequest(unreadable(body, str(first.get("ctx", {}).get("error", "it is none"))), param=BODY)
    value = from_json(body)
    errors = error.errors(include_url=False)
    found = [_Found(_place(each, value), each) for each in errors]
    place = found[0].path[:2]
    found = [each for each in found if each.path[: len(place)] == place]
    deepest = max(each.depth for each in found)
    told = [each for each in found if each.depth == deepest]
    told = [each for each in told if each.path == told[0].path]
    # Where one member of a union has more to say than that it is of another type, the value was meant for it.
    told = [each for each in told if each.error["type"] not in _NOUNS] or told
    param = written(told[0].path)
    return InvalidRequest(_sentence(param, [each.error for each in told]), param=param)


def written(path: Path) -> str:
    """Return a place in a body as errors name it: `messages[0].content`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or BODY


def _place(error: ErrorDetails, body: Any) -> Path:  # noqa: ANN401 - any JSON
    """Return where an error is, without the names of a union's members, which pydantic has among the steps."""
    steps = error["loc"]
    path: list[str | int] = []
    value = body
    for step in steps:
        if _leads_on(step, value):
            value = value[step]
            path.append(step)
    if error["type"] == "missing":
        path.append(steps[-1])
    return tuple(path)


def _leads_on(step: str | int, value: object) -> bool:
    """Whether there is something at `step` of a value."""
    if isinstance(step, int):
        return isinstance(value, list) and step < len(value)
    return isinstance(value, dict) and step in value


def _sentence(param: str, errors: Sequence[ErrorDetails]) -> str:
    first = errors[0]
    context = first.get("ctx", {})
    if param == BODY and first["type"] in _NOUNS:
        return f"The request body must be a JSON object, not {kind(first['input'])}."
    match first["type"]:
        case kind_of if kind_of == OWN:
            return _naming(param, first["msg"].replace("{field}", param, 1))
        case "union_tag_invalid":
            named = safe_kind(str(context["tag"]), "there")
            return f"{param}.type {named} is not known here; known are {_listed(context)}."
        case kind_of if kind_of in _NOUNS:
            nouns = dict.fromkeys(_NOUNS[each["type"]] for each in errors if each["type"] in _NOUNS)
            return f"{param} must be {' or '.join(nouns)}, not {_instead(first)}."
        case kind_of if kind_of in _SENTENCES:
            return f"{param} {_SENTENCES[kind_of].format_map(context)}.".replace("'", "")
        case _:
            return f"{param} is not valid: {first['msg']}."


def _instead(error: ErrorDetails) -> str:
    """Return what is there in the place of what has to be, told apart from it where both have one name."""
    match error["type"], error["input"]:
        case "int_type" | "int_from_float", float():
            return "one with a point or an exponent"
        case "finite_number", _:
            return "one that is too large"
        case "union_tag_not_found", dict():
            return "one without"
        case _, found:
            return kind(found)


def _naming(param: str, said: str) -> str:
    """Return what is said of a field with the field's path, where it does not name it."""
    name = _STEPS.split(param)[-1].rstrip("]")
    return said if name in said else f"{param}: {said}"


def _listed(context: dict[str, Any]) -> str:
    return str(context["expected_tags"]).replace("'", "")
