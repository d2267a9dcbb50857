"""The words of JSON Schema one by one: at their bounds, as a full implementation reads them, and what is told."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from lingma_trio.emulation.json_keywords import Schema
from lingma_trio.emulation.json_schema import Judge

WEATHER: Schema = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 1}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}


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
        {"prefixItems": [{"const": 1}], "items": False},
        {"dependentSchemas": {"a": False}},
        {"pattern": "^a"},
    ],
    ids=str,
)
def test_bounds_are_the_standards(schema: Schema, value: object) -> None:
    """At the bound, below and above."""
    assert (Judge().value_fault(value, schema) == "") == Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "value", "fault"),
    [
        (WEATHER, {"city": "Oslo", "days": 2}, ""),
        (WEATHER, {"days": 2}, "It lacks city"),
        (WEATHER, {"city": 5}, "city must be a string"),
        (WEATHER, {"city": "Oslo", "days": 0}, "days must be at least 1"),
        (WEATHER, {"city": "Oslo", "zip": ""}, "It must not have zip"),
        (WEATHER, {"city": ""}, "city must have at least 1 characters"),
        (WEATHER, [], "It must be an object"),
        ({"properties": {"a": {"items": {"type": "string"}}}}, {"a": ["", 1]}, "a[1] must be a string"),
        ({"type": ["string", "null"]}, 1, "It must be a string or null"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "It fits none of the forms that are allowed"),
        ({"exclusiveMinimum": 1}, 1, "It must be more than 1"),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, {"b": 1}, "It must not have b"),
        ({"patternProperties": {"^a": {"type": "string"}}}, {"b": 1, "ab": 1}, "ab must be a string"),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, {"a": 1}, ""),
        ({"pattern": "^(a+)+$"}, "a" * 60 + "b", "It does not match the pattern ^(a+)+$"),
        ({"pattern": "b"}, "abc", ""),
        ({"pattern": "^b"}, 1, ""),
        ({"maximum": 2}, 3, "It must be at most 2"),
        ({"exclusiveMaximum": 2.5}, 2.5, "It must be less than 2.5"),
        ({"multipleOf": 2}, 3, "It must be a multiple of 2"),
        ({"enum": [1, "a"]}, 2, "It is none of the values that are allowed"),
        ({"const": 1}, True, "It is not the value that is allowed"),
        ({"not": {"type": "null"}}, None, "It has a form that is ruled out"),
        (
            {"oneOf": [{"type": "integer"}, {"minimum": 0}]},
            1,
            "It fits more than one of the forms that exclude each other",
        ),
        ({"oneOf": [{"type": "string"}]}, 1, "It must be a string"),
        ({"anyOf": [{"type": "string"}]}, 1, "It must be a string"),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "It must not have ab"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "It lacks b"),
        ({"properties": {"a": False}}, {"a": 1}, "a must not be there"),
        ({"contains": {"type": "null"}}, [1], "It does not hold the items it must"),
        ({"uniqueItems": True}, [{"a": 1.0}, {"a": 1}], "It must not hold an item twice"),
        ({"uniqueItems": True}, [True, 1, "1", [1], ["boolean", 1], ["boolean", True]], ""),
    ],
)
def test_fault_says_where_and_what(schema: Schema, value: object, fault: str) -> None:
    """The sentence is for the model that has to mend it."""
    assert Judge().value_fault(value, schema) == fault
