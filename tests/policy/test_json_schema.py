"""Schemas and values: our verdicts, by example and against a full implementation of the standard."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from lingma_trio.policy.json_schema import MOST_STEPS, Judge, Schema, schema_fault

WEATHER: Schema = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}


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
    assert schema_fault(schema) == ""
    assert (value_fault(value, schema) == "") == Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    "value", [0, 1, 2, 3, 4, 1.5, True, "", "ab", [], [1], [1, 1.0], [1, True], {}, {"a": 1}, None]
)
@pytest.mark.parametrize(
    "schema",
    [
        {"minimum": 2},
        {"maximum": 2},
        {"exclusiveMinimum": 2},
        {"exclusiveMaximum": 2},
        {"multipleOf": 0.5},
        {"type": "integer"},
        {"type": "number"},
        {"enum": [1, "ab", [1]]},
        {"const": True},
        {"minLength": 1},
        {"maxLength": 1},
        {"minItems": 1},
        {"maxItems": 1},
        {"uniqueItems": True},
        {"minProperties": 1},
        {"maxProperties": 0},
        {"oneOf": [{"minimum": 2}, {"maximum": 2}]},
        {"if": {"type": "number"}, "then": {"minimum": 2}, "else": {"type": "string"}},
        {"contains": {"const": 1}, "minContains": 2},
        {"contains": {"const": 1}, "maxContains": 1},
    ],
    ids=str,
)
def test_bounds_are_the_standards(schema: Schema, value: object) -> None:
    """At the bound, below and above."""
    assert (value_fault(value, schema) == "") == Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("value", [[1, "a"], [1, 2], ["a"], [1, "a", True], [1, "a", 3]])
def test_items_as_an_array_are_an_earlier_drafts(value: object) -> None:
    """Clients whose libraries write draft 7 are judged by it."""
    schema: Schema = {"items": [{"type": "integer"}, {"type": "string"}], "additionalItems": {"type": "boolean"}}
    assert schema_fault(schema) == ""
    assert (value_fault(value, schema) == "") == Draft7Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "value", "fault"),
    [
        (WEATHER, {"city": "Oslo", "days": 2}, ""),
        (WEATHER, {"days": 2}, "It lacks city"),
        (WEATHER, {"city": 5}, "city must be a string"),
        (WEATHER, {"city": "Oslo", "days": 0}, "days is not within its bounds"),
        (WEATHER, {"city": "Oslo", "zip": ""}, "It must not have zip"),
        (WEATHER, {"city": ""}, "city must have at least 1 characters"),
        (WEATHER, [], "It must be an object"),
        ({"properties": {"a": {"items": {"type": "string"}}}}, {"a": ["", 1]}, "a[1] must be a string"),
        ({"type": ["string", "null"]}, 1, "It must be a string or null"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "It fits none of the forms that are allowed"),
        ({"exclusiveMinimum": True, "minimum": 1}, 1, "It is not within its bounds"),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, {"b": 1}, "It must not have b"),
        ({"patternProperties": {"^a": {"type": "string"}}}, {"b": 1, "ab": 1}, "ab must be a string"),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, {"a": 1}, ""),
        ({"pattern": "^(a+)+$"}, "a" * 60 + "b", "It does not match the pattern ^(a+)+$"),
        ({"pattern": "b"}, "abc", ""),
        ({"pattern": "^b"}, 1, ""),
        ({"format": "date"}, "2026-02-30", "It is no date"),
        ({"format": "of-our-own"}, "anything", ""),
        ({"maximum": 10**400}, 1, ""),
        ({"multipleOf": 1e-300}, 1e300, "It is not within its bounds"),
    ],
)
def test_fault_says_where_and_what(schema: Schema, value: object, fault: str) -> None:
    """The sentence is for the model that has to mend it."""
    assert schema_fault(schema) == ""
    assert value_fault(value, schema) == fault


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"type": "text"}, "has type of the wrong kind"),
        ({"type": [1]}, "has type of the wrong kind"),
        ({"properties": {"a": {"type": "file"}}}, "at /properties/a"),
        ({"properties": []}, "has properties of the wrong kind"),
        ({"properties": {"a": "string"}}, "needs an object or a boolean at /properties/a"),
        ({"anyOf": {}}, "has anyOf of the wrong kind"),
        ({"items": [{"type": 1}]}, "at /items/0"),
        ({"required": True}, "has required of the wrong kind"),
        ({"required": [["a"]]}, "has required of the wrong kind"),
        ({"enum": "a"}, "has enum of the wrong kind"),
        ({"minLength": "1"}, "has minLength of the wrong kind"),
        ({"minimum": True}, "has minimum of the wrong kind"),
        ({"multipleOf": 0}, "has multipleOf of the wrong kind"),
        ({"pattern": "("}, "has pattern of the wrong kind"),
        ({"patternProperties": {"(": {}}}, "has patternProperties of the wrong kind"),
        ({"format": 1}, "has format of the wrong kind"),
        ({"dependencies": []}, "has dependencies of the wrong kind"),
        ({"dependentRequired": {"a": [1]}}, "has dependentRequired of the wrong kind"),
        ({"$ref": "https://example.org/schema"}, "refers to something that is not in it"),
        ({"$ref": "#/$defs/missing"}, "refers to something that is not in it"),
        ({"$ref": "#/of/0", "of": [{"type": "x"}]}, "has type of the wrong kind"),
        ({"$ref": 1}, "refers to something that is not in it"),
    ],
)
def test_schema_that_is_none_is_explained(schema: Schema, fault: str) -> None:
    """Before anybody asks a question that nothing could answer."""
    assert fault in schema_fault(schema)


def test_schema_that_refers_to_itself_is_one() -> None:
    """A tree is described by itself; a schema that is nothing but itself says nothing about any value."""
    tree: Schema = {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False}
    assert schema_fault(tree) == ""
    assert value_fault({"next": {"next": {}}}, tree) == ""
    assert value_fault({"next": {"other": {}}}, tree) == "next must not have other"
    assert schema_fault({"$ref": "#"}) == ""
    assert value_fault({}, {"$ref": "#"}) == "It is nested too deeply"


def test_no_schema_takes_for_ever() -> None:
    """Thirty references that each double the work end in a fault instead of in a thousand million steps."""
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    schema: Schema = {"$defs": {**doubling, "d30": {"type": "object"}}, "$ref": "#/$defs/d0"}
    assert schema_fault(schema) == ""
    assert value_fault({}, schema) == "It takes too long to check"
    assert value_fault([0] * (MOST_STEPS + 1), {"items": {"type": "integer"}}) == "It takes too long to check"
    assert value_fault("a" * (MOST_STEPS * 20), {"pattern": "^a"}) == "It takes too long to check"


@given(st.recursive(st.none() | st.booleans() | st.integers() | NAMES, lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from([*"ab", "type", "properties", "items", "required", "enum", "anyOf", "$ref", "not", "minimum",
                     "dependencies", "dependentSchemas", "contains", "minContains", "if", "multipleOf", "pattern",
                     "patternProperties", "format"]), inner,
)), VALUES)  # fmt: skip
def test_anything_is_a_schema_or_none(schema: object, value: object) -> None:
    """What passes as a schema can be judged by."""
    whole = json.loads(json.dumps({"not": schema}))
    if not schema_fault(whole):
        value_fault(value, whole)
