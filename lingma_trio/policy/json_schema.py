"""Holds values against the JSON Schemas that clients declare for their tools' arguments and for whole answers.

Knows JSON Schema. Must not know tools, formats or who declared what.

Schemas come from outside and are read on the loop that serves everybody, so nothing in one may cost more than its size:
a schema is looked through once, a value is given MOST_STEPS, no reference leaves the schema, and expressions run
within the bounds of `text_rules`. That no library bounds references that lead to each other is why this is none. All
that says something of a value is evaluated, in the words of all drafts from 4 to 2020-12, but for the rare
`unevaluated*`, `$dynamicRef` and references to an `$id` or an `$anchor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias, TypeGuard

from lingma_trio.policy.text_rules import has_format, is_expression, matches

MOST_STEPS: Final = 200_000
"""Pairs of a value and a schema that are looked at for one answer."""

LETTERS_A_STEP: Final = 16
"""Characters that an expression or a format looks at for the price of one step."""

Schema: TypeAlias = Mapping[str, Any]

_TYPES: Final[dict[str, str]] = {
    "null": "null",
    "boolean": "a boolean",
    "object": "an object",
    "array": "an array",
    "number": "a number",
    "integer": "an integer",
    "string": "a string",
}
_CLASSES: Final[dict[str, type | tuple[type, ...]]] = {
    "null": type(None),
    "boolean": bool,
    "object": dict,
    "array": list,
    "number": (int, float),
    "string": str,
}
_ONE: Final = (
    "additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then",
)  # fmt: skip
_MANY: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED: Final = ("$defs", "definitions", "patternProperties", "properties")
_COUNTS: Final = (
    "maxContains", "maxItems", "maxLength", "maxProperties", "minContains", "minItems", "minLength", "minProperties",
)  # fmt: skip
_NUMBERS: Final = ("maximum", "minimum")
_ASKING: Final = ("dependencies", "dependentRequired", "dependentSchemas")


class _Costly(Exception):
    """The verdict would take too long."""


# --- the schema itself -----------------------------------------------------------------------------------------------


def schema_fault(schema: Schema) -> str:
    """What is wrong with a schema, as the rest of a sentence about it, or the empty string where nothing is."""
    try:
        return next(_faults(schema, schema, "", set()), "")
    except RecursionError:
        return "is nested too deeply"


def _faults(schema: object, root: Schema, place: str, seen: set[int]) -> Iterator[str]:
    """What is wrong with a schema of `root` and those within it and referred to; `seen` are those looked at already."""
    if isinstance(schema, bool) or id(schema) in seen:
        return
    seen.add(id(schema))
    if not isinstance(schema, dict):
        yield f"needs an object or a boolean{_at(place)}"
        return
    yield from _keyword_faults(schema, place)
    for keyword, inner, path in _inner(schema, place):
        if inner is None:
            yield f"has {keyword} of the wrong kind{_at(place)}"
        yield from _faults(inner, root, path, seen)
    if "$ref" in schema:
        target = _resolve(schema["$ref"], root)
        if target is None:
            yield f"refers to something that is not in it{_at(place)}"
        yield from _faults(target, root, place, seen)


def _keyword_faults(schema: dict[str, Any], place: str) -> Iterator[str]:
    for keyword, held in schema.items():
        judge = _KEYWORDS.get(keyword)
        if judge is not None and not judge(held):
            yield f"has {keyword} of the wrong kind{_at(place)}"


def _types(value: object) -> bool:
    return all(isinstance(kind, str) and kind in _TYPES for kind in (value if isinstance(value, list) else [value]))


def _asking(value: object) -> bool:
    return isinstance(value, dict) and all(_strings(names) for names in value.values() if isinstance(names, list))


def _inner(schema: dict[str, Any], place: str) -> Iterator[tuple[str, object, str]]:
    """The schemas directly within one, each with its keyword and place; None for a keyword of the wrong kind."""
    for keyword, held in schema.items():
        parts: Iterable[tuple[object, object]]
        if keyword in _MANY or (keyword == "items" and isinstance(held, list)):
            parts = enumerate(held) if isinstance(held, list) else [("", None)]
        elif keyword in _ONE:
            parts = [("", held)]
        elif keyword in _NAMED:
            parts = held.items() if isinstance(held, dict) else [("", None)]
        elif keyword in _ASKING and isinstance(held, dict):
            parts = ((name, inner) for name, inner in held.items() if not isinstance(inner, list))
        else:
            continue
        for name, inner in parts:
            yield keyword, inner, f"{place}/{keyword}/{name}".rstrip("/")


def _expressions(value: object) -> bool:
    return isinstance(value, dict) and all(is_expression(pattern) for pattern in value)


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KEYWORDS: Final[dict[str, Callable[[object], bool]]] = {
    "type": _types,
    "required": _strings,
    "enum": lambda value: isinstance(value, list),
    **dict.fromkeys((*_COUNTS, *_NUMBERS), _is_number),
    "multipleOf": lambda value: _is_number(value) and value != 0,
    **dict.fromkeys(_ASKING, _asking),
    "pattern": lambda value: isinstance(value, str) and is_expression(value),
    "patternProperties": _expressions,
    "format": lambda value: isinstance(value, str),
}


def _at(place: str) -> str:
    return f" at {place[:120]}" if place else ""


def _resolve(ref: object, root: Schema) -> object | None:
    """The schema that a reference names, or None where there is none in the schema itself."""
    if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
        return None
    found: object = root
    for step in ref.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~").replace("%25", "%")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isascii() and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found if isinstance(found, dict | bool) else None


# --- a value ---------------------------------------------------------------------------------------------------------


class Judge:
    """What holds the values of one answer against their schemas: the whole answer has one budget of steps."""

    def __init__(self) -> None:
        self._root: Schema = {}
        self._steps = MOST_STEPS

    def value_fault(self, value: object, schema: Schema) -> str:
        """The first thing that is wrong with `value`, a sentence without its stop, or nothing where it conforms.

        `schema` is one in which `schema_fault` found nothing.
        """
        self._root = schema
        try:
            return self.fault(value, schema, "")
        except _Costly:
            return "It takes too long to check"
        except RecursionError:
            return "It is nested too deeply"

    def fault(self, value: object, schema: object, place: str) -> str:
        """The first fault, or the empty string."""
        self._steps -= 1
        if self._steps < 0:
            raise _Costly
        if not isinstance(schema, dict):
            return f"{place or 'It'} must not be there" if schema is False else ""
        return next((fault for judge in _JUDGES if (fault := judge(self, value, schema, place))), "")

    def kind(self, value: object, schema: Schema, place: str) -> str:
        """Judge by `type`, `enum` and `const`."""
        kinds = schema.get("type")
        if kinds is not None:
            allowed = kinds if isinstance(kinds, list) else [kinds]
            if not any(_is_of(value, kind) for kind in allowed):
                return f"{place or 'It'} must be {' or '.join(_TYPES[kind] for kind in allowed)}"
        if "enum" in schema or "const" in schema:
            self._steps -= len(schema.get("enum", ()))
            own = _key(value)
            if "enum" in schema and not any(_key(choice) == own for choice in schema["enum"]):
                return f"{place or 'It'} is none of the values that are allowed"
            if "const" in schema and _key(schema["const"]) != own:
                return f"{place or 'It'} is not the value that is allowed"
        return ""

    def size(self, value: object, schema: Schema, place: str) -> str:
        """Judge by the bounds of numbers, and of the length of everything else."""
        if isinstance(value, str | list | dict):
            unit, least, most = _LENGTHS[type(value)]
            if len(value) < schema.get(least, 0):
                return f"{place or 'It'} must have at least {schema[least]} {unit}"
            if len(value) > schema.get(most, len(value)):
                return f"{place or 'It'} must have at most {schema[most]} {unit}"
            if isinstance(value, str):
                return self._letters(value, schema, place)
        elif _is_number(value) and not _within(value, schema):
            return f"{place or 'It'} is not within its bounds"
        return ""

    def _letters(self, value: str, schema: Schema, place: str) -> str:
        """Judge a text by its expression and its format."""
        if "pattern" in schema and not self._matches(schema["pattern"], value):
            return f"{place or 'It'} does not match the pattern {schema['pattern'][:60]}"
        if "format" in schema:
            self._steps -= len(value) // LETTERS_A_STEP
            if not has_format(schema["format"], value):
                return f"{place or 'It'} is no {schema['format'][:60]}"
        return ""

    def _matches(self, pattern: str, text: str) -> bool:
        self._steps -= 1 + len(text) // LETTERS_A_STEP
        if self._steps < 0:
            raise _Costly
        return matches(pattern, text)

    def members(self, value: object, schema: Schema, place: str) -> str:
        """Judge an object by its properties."""
        if not isinstance(value, dict):
            return ""
        missing = next((name for name in schema.get("required", ()) if name not in value), None)
        if missing is not None:
            return f"{place or 'It'} lacks {missing}"
        properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        judged = [(name, properties[name]) for name in properties if name in value]
        matched = [
            (name, inner) for pattern, inner in patterns.items() for name in value if self._matches(pattern, name)
        ]
        judged += matched
        if "additionalProperties" in schema:
            known = {*properties, *(name for name, _ in matched)}
            others = [name for name in value if name not in known]
            if others and schema["additionalProperties"] is False:
                return f"{place or 'It'} must not have {others[0][:60]}"
            judged += [(name, schema["additionalProperties"]) for name in others]
        for name, inner in judged:
            if fault := self.fault(value[name], inner, f"{place}.{name}" if place else name):
                return fault
        return self._names(value, schema, place)

    def _names(self, value: dict[str, Any], schema: Schema, place: str) -> str:
        """Judge an object by its names, and by what one of them asks of the others."""
        if "propertyNames" in schema:
            for name in value:
                if self.fault(name, schema["propertyNames"], ""):
                    return f"{place or 'It'} must not have {name[:60]}"
        asked = [item for keyword in _ASKING if keyword in schema for item in schema[keyword].items()]
        for name, inner in asked:
            if name not in value:
                continue
            held = {"required": inner} if isinstance(inner, list) else inner
            if fault := self.fault(value, held, place):
                return fault
        return ""

    def items(self, value: object, schema: Schema, place: str) -> str:
        """Judge an array by its items. `items` as an array is what later drafts call `prefixItems`."""
        if not isinstance(value, list):
            return ""
        given = schema.get("items", True)
        early = isinstance(given, list)
        first = given if early else schema.get("prefixItems", [])
        rest = schema.get("additionalItems", True) if early else given
        if rest is not True or first:
            for at, item in enumerate(value):
                if fault := self.fault(item, first[at] if at < len(first) else rest, f"{place}[{at}]"):
                    return fault
        if schema.get("uniqueItems") is True and len({_key(item) for item in value}) < len(value):
            return f"{place or 'It'} must not hold an item twice"
        return self._contained(value, schema, place)

    def _contained(self, value: list[Any], schema: Schema, place: str) -> str:
        if "contains" not in schema:
            return ""
        found = sum(not self.fault(item, schema["contains"], "") for item in value)
        if found < schema.get("minContains", 1) or found > schema.get("maxContains", found):
            return f"{place or 'It'} does not hold the items it must"
        return ""

    def combined(self, value: object, schema: Schema, place: str) -> str:
        """Judge by the schemas that hold for the same value, or must not."""
        held = [_resolve(schema["$ref"], self._root)] if "$ref" in schema else []
        for inner in (*held, *schema.get("allOf", ())):
            if fault := self.fault(value, inner, place):
                return fault
        if "not" in schema and not self.fault(value, schema["not"], place):
            return f"{place or 'It'} has a form that is ruled out"
        if "if" in schema:
            branch = "else" if self.fault(value, schema["if"], place) else "then"
            return self.fault(value, schema.get(branch, True), place)
        return ""

    def alternatives(self, value: object, schema: Schema, place: str) -> str:
        """Judge by the schemas of which one has to hold."""
        for keyword in ("anyOf", "oneOf"):
            if keyword not in schema:
                continue
            faults = [self.fault(value, inner, place) for inner in schema[keyword]]
            if all(faults):
                return faults[0] if len(faults) == 1 else f"{place or 'It'} fits none of the forms that are allowed"
            if keyword == "oneOf" and faults.count("") > 1:
                return f"{place or 'It'} fits more than one of the forms that exclude each other"
        return ""


_JUDGES: Final[tuple[Callable[[Judge, object, Schema, str], str], ...]] = (
    Judge.kind,
    Judge.size,
    Judge.members,
    Judge.items,
    Judge.combined,
    Judge.alternatives,
)
_LENGTHS: Final[dict[type, tuple[str, str, str]]] = {
    str: ("characters", "minLength", "maxLength"),
    list: ("items", "minItems", "maxItems"),
    dict: ("properties", "minProperties", "maxProperties"),
}


def _is_of(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, _CLASSES[kind])


def _within(value: float, schema: Schema) -> bool:
    """Whether a number is within its bounds; an early draft says with a boolean that a bound is exclusive."""
    least, most = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    return (
        (least is None or value > least or (value == least and above is not True))
        and (most is None or value < most or (value == most and below is not True))
        and (not _is_number(above) or value > above)
        and (not _is_number(below) or value < below)
        and ("multipleOf" not in schema or _is_multiple(value, schema["multipleOf"]))
    )


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    try:
        quotient = value / step
    except OverflowError:
        return False
    return quotient == round(quotient) if abs(quotient) < float("inf") else False


def _key(value: object) -> object:
    """Something to compare and hash a value by, as JSON sees it: a boolean is no number, and 1.0 is 1."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, dict):
        return frozenset((name, _key(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return tuple(map(_key, value))
    return value
