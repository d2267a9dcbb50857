"""The judge of an answer: his verdicts against a full implementation of the standard, his budget and his doubts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from lingma_trio.emulation.json_keywords import RULES, Schema
from lingma_trio.emulation.json_schema import MOST_DEPTH, MOST_STEPS, Judge


def value_fault(value: object, schema: Schema) -> str:
    """The verdict of a judge of its own."""
    return Judge().value_fault(value, schema)


NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -2.0]) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
COUNTS = st.integers(0, 3)
KINDS = st.sampled_from(["null", "boolean", "object", "array", "number", "integer", "string"])
LEAVES = st.fixed_dictionaries(
    {},
    optional={
        "type": KINDS | st.lists(KINDS, min_size=1, max_size=2, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        "minimum": COUNTS,
        "exclusiveMaximum": COUNTS,
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": COUNTS,
        "maxItems": COUNTS,
        "minProperties": COUNTS,
        "required": st.lists(NAMES, max_size=2, unique=True),
        "uniqueItems": st.booleans(),
        "$ref": st.sampled_from(["#/$defs/first", "#/$defs/second"]),
    },
)


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas that hold others."""
    several = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": KINDS,
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "additionalProperties": inner,
            "propertyNames": inner,
            "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
            "dependentSchemas": st.dictionaries(NAMES, inner, max_size=2),
            "prefixItems": several,
            "items": inner,
            "contains": inner,
            "anyOf": several,
            "oneOf": several,
            "allOf": several,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
        },
    )


SCHEMAS = st.recursive(st.booleans() | LEAVES, combined, max_leaves=6)
# References from the definitions themselves could go round in circles, which not every implementation survives.
WHOLE = st.builds(
    lambda schema, first: {"$defs": {"first": first, "second": {"type": "string"}}, "allOf": [schema]},
    SCHEMAS,
    st.sampled_from([{"type": "object"}, {"enum": [1, "a"]}, {"minLength": 1}]),
)


@settings(max_examples=300)
@given(WHOLE, VALUES)
def test_verdicts_are_the_standards(schema: Schema, value: object) -> None:
    """Whatever the schema, a value has a fault here exactly where a full implementation finds one."""
    assert (value_fault(value, schema) == "") == Draft202012Validator(schema).is_valid(value)


# `enum: null` says nothing that anybody could judge.
IN_DOUBT = st.recursive(st.booleans() | LEAVES | st.just({"enum": None}), combined, max_leaves=6)


def reading(schema: object, *, holds: bool) -> Schema | bool:
    """A schema in which what is in doubt holds for every value, or for none."""
    if isinstance(schema, bool):
        return schema
    assert isinstance(schema, dict)
    clear = {name: _within(held, holds=holds) for name, held in schema.items() if (name, held) != ("enum", None)}
    return clear if len(clear) == len(schema) else {"allOf": [clear, holds]}


def _within(held: object, *, holds: bool) -> object:
    if isinstance(held, list):
        return [_within(inner, holds=holds) for inner in held]
    return reading(held, holds=holds) if isinstance(held, dict) else held


@settings(max_examples=300)
@given(IN_DOUBT, VALUES)
def test_fault_is_one_however_the_schema_is_read(schema: object, value: object) -> None:
    """What cannot be judged is neither held for right nor for wrong, also where it is denied or one of several."""
    whole: Schema = {"$defs": {"first": {"type": "object"}, "second": {"type": "string"}}, "allOf": [schema]}
    if value_fault(value, whole):
        for holds in (True, False):
            assert not Draft202012Validator(reading(whole, holds=holds)).is_valid(value)


RARE = st.recursive(
    st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "type": KINDS,
            "pattern": st.sampled_from(["^a", "b$", "[ab]{2}", "^(?!a)", r"(a)\1", r"\bab", "^$"]),
            "format": st.sampled_from(["date", "email", "of-our-own"]),
            "$ref": st.sampled_from(["#/$defs/first", "#second", "inner", "inner#/$defs/first"]),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "minItems": COUNTS,
            "multipleOf": st.sampled_from([0.1, 0.3, 2]),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b|c", "(?!a)"]), inner, max_size=2),
            "additionalProperties": inner,
            "unevaluatedProperties": inner,
            "unevaluatedItems": inner,
            "items": inner,
            "contains": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
        },
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(RARE, VALUES)
def test_rare_words_give_no_fault_that_is_none(schema: object, value: object) -> None:
    """Expressions, formats, anchors and what is unevaluated: whoever checks formats or does not finds the fault too."""
    inner = {"$id": "https://example.com/inner", "$defs": {"first": {"type": "integer"}}, "$ref": "#/$defs/first"}
    whole = {
        "$id": "https://example.com/whole",
        "$defs": {"first": {"type": "string"}, "second": {"$anchor": "second", "minItems": 1}, "third": inner},
        "allOf": [schema],
    }
    if value_fault(value, whole):
        for formats in (None, FormatChecker()):
            assert not Draft202012Validator(whole, format_checker=formats).is_valid(value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | NAMES, lambda inner: st.lists(inner) | st.dictionaries(
    NAMES | st.sampled_from(sorted(RULES)), inner,
)), VALUES)  # fmt: skip
def test_anything_can_be_judged_by(schema: object, value: object) -> None:
    """Whatever stands in a schema, there is a verdict."""
    value_fault(value, {"not": {"not": schema}, "allOf": [schema]})


@pytest.mark.parametrize("value", [[1, "a"], [1, 2], ["a"], [1, "a", True], [1, "a", 3]])
def test_items_as_an_array_are_an_earlier_drafts(value: object) -> None:
    """Clients whose libraries write draft 7 are judged by it."""
    schema: Schema = {"items": [{"type": "integer"}, {"type": "string"}], "additionalItems": {"type": "boolean"}}
    assert (value_fault(value, schema) == "") == Draft7Validator(schema).is_valid(value)


def test_early_drafts_ignore_what_stands_beside_a_reference() -> None:
    """Later ones do not."""
    schema = {"$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a", "minLength": 9}}}
    assert value_fault({"a": ""}, schema) == "a must have at least 9 characters"
    early = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    assert value_fault({"a": ""}, early) == ""
    assert value_fault({"a": 1}, early) == "a must be a string"


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": None, "required": None, "enum": None, "minLength": None},
        {"properties": {"a": {"type": "file"}}},
        {"properties": {"a": "string"}},
        {"required": True},
        {"required": [["b"]]},
        {"properties": None, "additionalProperties": False},
        {"patternProperties": {"(?=b)": {}}, "additionalProperties": False},
        {"type": ["object"]},
        {"properties": {"a": {"pattern": "*.txt"}}},
        {"properties": {"a": {"pattern": "^[A-Za-z0-9+/]{1,100000}={0,2}$"}}},
        {"properties": {"a": {"pattern": "^x{,5}$"}}},
        {"properties": {"a": {"pattern": r"(?<y>\d{4})-\k<y>"}}},
        {"properties": {"a": {"pattern": r"[\ud800-\udbff]"}}},
        {"properties": {"a": {"format": "date"}}},
        {"properties": {"a": {"oneOf": [{"format": "date"}, {"format": "date-time"}]}}},
        {"properties": {"a": {"not": {"format": "date"}}}},
        {"properties": {"a": {"$ref": "https://example.org/schema"}}},
        {"properties": {"a": {"$ref": "#name"}}, "$defs": {"n": {"$anchor": "name", "type": "integer"}}},
        {"properties": {"a": {"$ref": "name.json"}}, "$defs": {"n": {"$id": "name.json", "type": "integer"}}},
        {"properties": {"a": {"pattern": r"(?P<q>['\"]).(?P=q)"}}},
        {"properties": {"a": {"$ref": "#/$defs/missing"}}},
        {"properties": {"a": {"$ref": "#/$defs/a/" + "9" * 5000}}, "$defs": {"a": []}},
        {"$ref": "#"},
        {"$dynamicRef": "#node"},
        {"unevaluatedProperties": False},
        {"dependencies": {"a": ["b"]}},
        {"anyOf": []},
        {"then": False},
        {"if": {"$ref": "#name"}, "then": False, "else": False},
    ],
    ids=str,
)
def test_what_cannot_be_judged_is_no_fault(schema: Schema) -> None:
    """As it is written by clients whose own servers take it."""
    assert value_fault({"a": "x"}, schema) == ""


def test_numbers_are_compared_as_they_are_written() -> None:
    """What floats make of a decimal fraction is no fault, and neither is what no float holds."""
    assert value_fault(19.99, {"multipleOf": 0.01}) == ""
    assert value_fault(19.995, {"multipleOf": 0.01}) == "It must be a multiple of 0.01"
    assert value_fault(3, {"multipleOf": 1.5e199}) == "It must be a multiple of 1.5e+199"
    assert value_fault(0, {"multipleOf": 1.5e199}) == ""
    for value, step in ((1e300, 1e-300), (10**400, 0.5), (1, 0), (10**400, 7)):
        assert value_fault(value, {"multipleOf": step}) == ""
    assert value_fault(1, {"maximum": 10**400}) == ""
    assert value_fault(1, {"minimum": 10**400}) == "It must be at least a number of hundreds of digits"
    assert value_fault([2**80, float(2**80)], {"uniqueItems": True}) == "It must not hold an item twice"


def test_fault_says_where_it_is() -> None:
    """However deep it is, and however long the names are, in no more than a line or two."""
    tree: Schema = {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False}
    assert value_fault({"next": {"next": {}}}, tree) == ""
    assert value_fault({"next": {"other": {}}}, tree) == "next must not have other"
    name = "n" * 10_000
    named: Schema = {"additionalProperties": {"items": {"type": "integer"}}}
    assert value_fault({name: [1, "a"]}, named) == f"{'n' * 60}[1] must be an integer"


def test_nesting_has_a_bound() -> None:
    """Beyond it nothing is judged."""
    tree: Schema = {"type": "array", "items": {"$ref": "#"}}
    assert value_fault(nested(MOST_DEPTH // 3), tree).endswith("must be an array")
    assert value_fault(nested(MOST_DEPTH), tree) == ""


def nested(depth: int) -> object:
    """Arrays within arrays, and at the bottom something else."""
    return json.loads("[" * depth + "0" + "]" * depth)


def test_budget_is_the_whole_answers() -> None:
    """What is left over goes to the next value; when nothing is left, nothing is a fault."""
    judge = Judge()
    schema: Schema = {"items": {"type": "integer"}}
    assert judge.value_fault(["a"], schema) == "[0] must be an integer"
    assert 0 < judge.steps < MOST_STEPS
    assert judge.value_fault([0] * MOST_STEPS, schema) == ""
    assert judge.steps < 0
    assert judge.value_fault(["a"], schema) == ""
