"""What is certain is put right, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.emulation.json_keywords import Schema
from lingma_trio.emulation.json_schema import Judge
from lingma_trio.emulation.mending import Mender
from tests.hostile.steps import processor_time

GENEROUS = 10.0
"""Seconds of processor time: each takes a fraction of one with the bound, and hours without it."""

INTEGER: Schema = {"type": "integer"}
OPTIONAL: Schema = {"anyOf": [{"type": "string"}, {"type": "null"}]}
CLOSED: Schema = {"type": "object", "properties": {"a": INTEGER}, "additionalProperties": False}
TREE: Schema = {
    "$ref": "#/$defs/tree",
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {"a": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}, "n": INTEGER},
            "required": ["a", "n"],
        }
    },
}


def fit(value: object, schema: Schema, *, strict: bool = False) -> tuple[Any, str]:
    """A value mended, and what is still wrong with it."""
    text, fault = Mender(Judge()).fit(json.dumps(value), schema, strict=strict)
    return json.loads(text), fault


def a(schema: object, **more: object) -> Schema:
    """The schema of an object whose property `a` has this one."""
    return {"type": "object", "properties": {"a": schema}, **more}


@pytest.mark.parametrize(
    ("value", "schema", "mended"),
    [
        ({}, a(OPTIONAL, required=["a"]), {"a": None}),
        ({}, a({"type": ["integer", "null"]}, required=["a"]), {"a": None}),
        ({}, a({"$ref": "#/$defs/o"}, required=["a"], **{"$defs": {"o": OPTIONAL}}), {"a": None}),
        ({"a": "5"}, a(INTEGER), {"a": 5}),
        ({"a": "-5.0"}, a(INTEGER), {"a": -5}),
        ({"a": "5.5"}, a({"type": "number"}), {"a": 5.5}),
        ({"a": "true"}, a({"type": "boolean"}), {"a": True}),
        ({"a": '["5"]'}, a({"type": "array", "items": INTEGER}), {"a": [5]}),
        ({"a": "5"}, a({"anyOf": [INTEGER, {"type": "null"}]}), {"a": 5}),
        ({"a": "5"}, a({"allOf": [INTEGER]}), {"a": 5}),
        ([1, "2", "3"], {"prefixItems": [INTEGER, {"type": "string"}], "items": INTEGER}, [1, "2", 3]),
        ({"a": {"n": "1"}, "n": 2}, TREE, {"a": {"a": None, "n": 1}, "n": 2}),
    ],
    ids=str,
)
def test_what_is_certain_is_mended(value: object, schema: Schema, mended: object) -> None:
    """At any depth, through references and choices."""
    assert fit(value, schema) == (mended, "")


def test_whole_number_is_written_as_one() -> None:
    """Although JSON sees no difference, for many a client does; where any number may be it stays as it is."""
    assert Mender(Judge()).fit('{"a": 1000.0}', a(INTEGER)) == ('{"a":1000}', "")
    assert Mender(Judge()).fit('{"a": 1000.0}', a({"type": "number"})) == ('{"a": 1000.0}', "")


def test_number_beyond_all_bounds_becomes_null() -> None:
    """What is written anew is JSON, in which there is no infinity, and is judged as it is written."""
    text, fault = Mender(Judge()).fit('{"a": "5", "b": 1e400}', {"properties": {"a": INTEGER, "b": {"type": "number"}}})
    assert text == '{"a":5,"b":null}'
    assert fault == "b must be a number"


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({}, a({}, required=["a"])),
        ({}, a({"type": ["string", "null"], "enum": ["x"]}, required=["a"])),
        ({"a": "five"}, a(INTEGER)),
        ({"a": "5.5"}, a(INTEGER)),
        ({"a": 5}, a({"type": "string"})),
        ({"a": "yes"}, a({"type": "boolean"})),
        ({"a": "5"}, a({"oneOf": [INTEGER, {"type": "boolean"}, {"enum": [5]}], "type": ["integer", "boolean"]})),
        ({"a": 1, "b": 2}, CLOSED),
    ],
    ids=str,
)
def test_what_is_not_certain_stays_wrong(value: object, schema: Schema) -> None:
    """For the model to say what it means, or for the client."""
    mended, fault = fit(value, schema)
    assert fault or mended == {"a": 5}
    assert mended in (value, {"a": 5})


def test_what_is_ruled_out_is_left_out_where_the_client_is_strict() -> None:
    """Only there: elsewhere it may be the one thing that the model had to say."""
    assert fit({"a": 1, "b": 2}, CLOSED, strict=True) == ({"a": 1}, "")
    assert fit({"a": 1, "b": 2}, CLOSED) == ({"a": 1, "b": 2}, "It must not have b")
    assert fit({"a": 1, "b": 2}, {**CLOSED, "patternProperties": {"^c": {}}}, strict=True)[1]


def test_text_that_fits_comes_back_to_the_letter() -> None:
    """Blanks, the order of its properties, and spelled escapes."""
    text = '{ "b": "\\u00e9", "a": 1.50 }'
    assert Mender(Judge()).fit(text, {"type": "object"}) == (text, "")


WORDS = st.sampled_from(["a", "b", "5", "#", "type", "integer", "null", "properties", "required", "anyOf", "$ref"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(ANYTHING, ANYTHING)
def test_any_schema_can_be_mended_by(value: object, schema: object) -> None:
    """Whatever they are, and a value that has no fault is the same after it."""
    held = schema if isinstance(schema, dict) else {"items": schema}
    text = json.dumps(value)
    mended, fault = Mender(Judge()).fit(text, held)
    if not Judge().value_fault(value, held):
        assert json.loads(mended) == value
        assert not fault


def test_mending_has_a_bound() -> None:
    """References that lead to each other, choices within choices, and many long texts: the value stays as it is."""
    both = {"properties": {"a": {"$ref": "#"}, "b": INTEGER}, "required": ["b"]}
    deep: Any = {}
    for _ in range(60):
        deep = {"a": deep}
    for value, schema in (
        ({"b": "1"}, {"allOf": [{"$ref": "#"}], **a(INTEGER)}),
        (deep, {"anyOf": [both, {**both, "required": ["c"]}, {**both, "required": ["d"]}]}),
        (["9" * 100_000] * 100, {"items": INTEGER}),
    ):
        with processor_time() as spent:
            assert fit(value, schema)[0] == value
        assert spent.seconds < GENEROUS
