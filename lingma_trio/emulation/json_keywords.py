"""What each keyword of JSON Schema says of a value, in the words of all drafts from 4 to 2020-12 where they agree.

Knows the standard. Must not know budgets or how far a value has been looked at: that is the judge's, whom every rule
is given, and who holds the value against schemas within its own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from lingma_trio.emulation.json_schema import Judge

_WHOLE_FRACTION: Final = 16
"""Steps for the division of two numbers of hundreds of digits."""

_LARGEST: Final = 1e300
"""Beyond it nothing is divided or written out, which with thousands of digits would take long."""

Schema: TypeAlias = Mapping[str, Any]
Path: TypeAlias = "tuple[Path, str | int] | None"


class Fault(NamedTuple):
    """What is wrong and where, which is put into words only for the fault that is told."""

    path: Path
    words: str


def _type(judge: Judge, value: object, held: str | list[Any], _: Schema, path: Path) -> Fault | None:
    kinds = held if isinstance(held, list) else [held]
    judge.spend(len(kinds))
    if not kinds or not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
        return judge.doubt()
    if any(is_of(value, kind) for kind in kinds):
        return None
    return Fault(path, f"must be {' or '.join(_TYPES[kind].name for kind in kinds[:7])}")


def _enum(judge: Judge, value: object, held: list[object], _: Schema, path: Path) -> Fault | None:
    return None if judge.is_among(value, held, held) else Fault(path, "is none of the values that are allowed")


def _const(judge: Judge, value: object, held: object, _: Schema, path: Path) -> Fault | None:
    return None if judge.is_among(value, [held], held) else Fault(path, "is not the value that is allowed")


def _ref(judge: Judge, value: object, held: str, _: Schema, path: Path) -> Fault | None:
    return judge.fault(value, judge.target(held), path)


def _all_of(judge: Judge, value: object, held: list[object], _: Schema, path: Path) -> Fault | None:
    return next((fault for inner in held if (fault := judge.fault(value, inner, path))), None)


def _any_of(judge: Judge, value: object, held: list[object], _: Schema, path: Path) -> Fault | None:
    if not held:
        return judge.doubt()
    fault = None
    for inner in held:
        fault = judge.fault(value, inner, path)
        if fault is None:
            return None
    return fault if len(held) == 1 else Fault(path, "fits none of the forms that are allowed")


def _one_of(judge: Judge, value: object, held: list[object], _: Schema, path: Path) -> Fault | None:
    if len(held) <= 1:
        return _any_of(judge, value, held, _, path)
    verdicts = [judge.verdict(value, inner) for inner in held]
    if verdicts.count(False) == len(held):
        return Fault(path, "fits none of the forms that are allowed")
    if verdicts.count(True) > 1:
        return Fault(path, "fits more than one of the forms that exclude each other")
    return None


def _not(judge: Judge, value: object, held: object, _: Schema, path: Path) -> Fault | None:
    return Fault(path, "has a form that is ruled out") if judge.verdict(value, held) else None


def _if(judge: Judge, value: object, held: object, schema: Schema, path: Path) -> Fault | None:
    verdict = judge.verdict(value, held)
    return None if verdict is None else judge.fault(value, schema.get("then" if verdict else "else", True), path)


def _multiple_of(judge: Judge, value: float, held: float, _: Schema, path: Path) -> Fault | None:
    if max(abs(value), abs(held)) > _LARGEST:
        return judge.doubt()
    judge.spend(_WHOLE_FRACTION)
    try:
        # As they are written, since no binary fraction is a tenth.
        off = value % held if type(value) is type(held) is int else (Fraction(str(value)) / Fraction(str(held))) % 1
    except (ArithmeticError, ValueError):
        return judge.doubt()
    return Fault(path, f"must be a multiple of {_shown(held)}") if off else None


def _pattern(judge: Judge, value: str, held: str, _: Schema, path: Path) -> Fault | None:
    return Fault(path, f"does not match the pattern {held[:60]}") if judge.finds(held, value) is False else None


def _required(judge: Judge, value: dict[str, Any], held: list[Any], _: Schema, path: Path) -> Fault | None:
    for name in held:
        if not isinstance(name, str):
            return judge.doubt()
        judge.look(name)
        if name not in value:
            return Fault(path, f"lacks {name[:60]}")
    return None


def _properties(judge: Judge, value: dict[str, Any], held: dict[str, Any], _: Schema, path: Path) -> Fault | None:
    for name in held if len(held) < len(value) else value:
        judge.look(name)
        if name in held and name in value and (fault := judge.fault(value[name], held[name], (path, name))):
            return fault
    return None


def _pattern_properties(
    judge: Judge, value: dict[str, Any], held: dict[str, Any], _: Schema, path: Path
) -> Fault | None:
    for pattern, inner in held.items():
        for name, item in value.items():
            if judge.finds(pattern, name) and (fault := judge.fault(item, inner, (path, name))):
                return fault
    return None


def _additional(judge: Judge, value: dict[str, Any], held: object, schema: Schema, path: Path) -> Fault | None:
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    if not isinstance(named, dict) or not isinstance(patterns, dict):
        return judge.doubt()
    for name, item in value.items():
        judge.look(name)
        if name in named or any(judge.finds(pattern, name) is not False for pattern in patterns):
            continue
        if held is False:
            return Fault(path, f"must not have {name[:60]}")
        if fault := judge.fault(item, held, (path, name)):
            return fault
    return None


def _property_names(judge: Judge, value: dict[str, Any], held: object, _: Schema, path: Path) -> Fault | None:
    for name in value:
        if judge.fault(name, held, None):
            return Fault(path, f"must not have {name[:60]}")
    return None


def _dependent(judge: Judge, value: dict[str, Any], held: dict[str, Any], schema: Schema, path: Path) -> Fault | None:
    for name, asked in held.items():
        judge.look(name)
        if name not in value:
            continue
        required = isinstance(asked, list)
        fault = _required(judge, value, asked, schema, path) if required else judge.fault(value, asked, path)
        if fault:
            return fault
    return None


def _doubt(judge: Judge, *_: object) -> Fault | None:
    return judge.doubt()


def _prefix_items(judge: Judge, value: list[Any], held: list[Any], _: Schema, path: Path) -> Fault | None:
    for at, (item, inner) in enumerate(zip(value, held, strict=False)):
        if fault := judge.fault(item, inner, (path, at)):
            return fault
    return None


def _items(judge: Judge, value: list[Any], held: object, schema: Schema, path: Path) -> Fault | None:
    if isinstance(held, list):  # as drafts before 2020-12 have it
        return _prefix_items(judge, value, held, schema, path)
    return _later_items(judge, value, held, schema.get("prefixItems", []), path)


def _additional_items(judge: Judge, value: list[Any], held: object, schema: Schema, path: Path) -> Fault | None:
    first = schema.get("items")
    return _later_items(judge, value, held, first, path) if isinstance(first, list) else None


def _later_items(judge: Judge, value: list[Any], held: object, first: object, path: Path) -> Fault | None:
    if not isinstance(first, list):
        return judge.doubt()
    for at in range(len(first), len(value)):
        if fault := judge.fault(value[at], held, (path, at)):
            return fault
    return None


def _unique(judge: Judge, value: list[Any], held: object, _: Schema, path: Path) -> Fault | None:
    if held and len(set(map(judge.key, value))) < len(value):
        return Fault(path, "must not hold an item twice")
    return None


def _contains(judge: Judge, value: list[Any], held: object, schema: Schema, path: Path) -> Fault | None:
    least, most = schema.get("minContains", 1), schema.get("maxContains", len(value))
    if type(least) not in _NUMBERS or type(most) not in _NUMBERS:
        return judge.doubt()
    verdicts = [judge.verdict(item, held) for item in value]
    if verdicts.count(True) > most or len(value) - verdicts.count(False) < least:
        return Fault(path, "does not hold the items it must")
    return None


class _Type(NamedTuple):
    name: str
    of: tuple[type, ...]


class _Rule(NamedTuple):
    """Who judges by a keyword: `values` are the types of values it speaks of, `held` those that it may hold itself."""

    judge: Callable[..., Fault | None]
    values: tuple[type, ...] = ()
    held: tuple[type, ...] = ()


def _bound(
    broken: Callable[[Any, Any], bool], words: str, measure: Callable[[Any], Any] = lambda value: value
) -> Callable[..., Fault | None]:
    """A judge by a bound, which is `broken` by what there is to `measure` in the value."""

    def judge(_: Judge, value: object, held: float, _schema: Schema, path: Path) -> Fault | None:
        return Fault(path, words.format(_shown(held))) if broken(measure(value), held) else None

    return judge


_NUMBERS: Final = (int, float)
_SCHEMAS: Final = (dict, bool)
_TYPES: Final[dict[str, _Type]] = {
    "null": _Type("null", (type(None),)),
    "boolean": _Type("a boolean", (bool,)),
    "object": _Type("an object", (dict,)),
    "array": _Type("an array", (list,)),
    "number": _Type("a number", _NUMBERS),
    "integer": _Type("an integer", (int,)),
    "string": _Type("a string", (str,)),
}
_KINDS: Final = frozenset(_TYPES)
RULES: Final[dict[str, _Rule]] = {
    "type": _Rule(_type, held=(str, list)),
    "enum": _Rule(_enum, held=(list,)),
    "const": _Rule(_const),
    "minimum": _Rule(_bound(operator.lt, "must be at least {}"), _NUMBERS, _NUMBERS),
    "maximum": _Rule(_bound(operator.gt, "must be at most {}"), _NUMBERS, _NUMBERS),
    "exclusiveMinimum": _Rule(_bound(operator.le, "must be more than {}"), _NUMBERS, _NUMBERS),
    "exclusiveMaximum": _Rule(_bound(operator.ge, "must be less than {}"), _NUMBERS, _NUMBERS),
    "multipleOf": _Rule(_multiple_of, _NUMBERS, _NUMBERS),
    "minLength": _Rule(_bound(operator.lt, "must have at least {} characters", len), (str,), _NUMBERS),
    "maxLength": _Rule(_bound(operator.gt, "must have at most {} characters", len), (str,), _NUMBERS),
    "pattern": _Rule(_pattern, (str,), (str,)),
    "format": _Rule(_doubt, (str,)),
    "minProperties": _Rule(_bound(operator.lt, "must have at least {} properties", len), (dict,), _NUMBERS),
    "maxProperties": _Rule(_bound(operator.gt, "must have at most {} properties", len), (dict,), _NUMBERS),
    "required": _Rule(_required, (dict,), (list,)),
    "properties": _Rule(_properties, (dict,), (dict,)),
    "patternProperties": _Rule(_pattern_properties, (dict,), (dict,)),
    "additionalProperties": _Rule(_additional, (dict,), _SCHEMAS),
    "unevaluatedProperties": _Rule(_doubt, (dict,)),
    "propertyNames": _Rule(_property_names, (dict,), _SCHEMAS),
    "dependentRequired": _Rule(_dependent, (dict,), (dict,)),
    "dependentSchemas": _Rule(_dependent, (dict,), (dict,)),
    "dependencies": _Rule(_doubt, (dict,)),
    "minItems": _Rule(_bound(operator.lt, "must have at least {} items", len), (list,), _NUMBERS),
    "maxItems": _Rule(_bound(operator.gt, "must have at most {} items", len), (list,), _NUMBERS),
    "uniqueItems": _Rule(_unique, (list,), (bool,)),
    "prefixItems": _Rule(_prefix_items, (list,), (list,)),
    "items": _Rule(_items, (list,), (dict, bool, list)),
    "additionalItems": _Rule(_additional_items, (list,), _SCHEMAS),
    "unevaluatedItems": _Rule(_doubt, (list,)),
    "contains": _Rule(_contains, (list,), _SCHEMAS),
    "allOf": _Rule(_all_of, held=(list,)),
    "anyOf": _Rule(_any_of, held=(list,)),
    "oneOf": _Rule(_one_of, held=(list,)),
    "not": _Rule(_not, held=_SCHEMAS),
    "if": _Rule(_if, held=_SCHEMAS),
    "$ref": _Rule(_ref, held=(str,)),
    "$dynamicRef": _Rule(_doubt),
    "$recursiveRef": _Rule(_doubt),
}


def kinds_of(schema: Schema) -> frozenset[str]:
    """The types that a schema names itself."""
    held = schema.get("type")
    return frozenset(kind for kind in (held if isinstance(held, list) else [held]) if isinstance(kind, str)) & _KINDS


def is_of(value: object, kind: str) -> bool:
    """Whether a value has one of the types that the standard knows."""
    return type(value) in _TYPES[kind].of or (kind == "integer" and isinstance(value, float) and value.is_integer())


def _shown(number: float) -> str:
    return str(number) if abs(number) < _LARGEST else "a number of hundreds of digits"
