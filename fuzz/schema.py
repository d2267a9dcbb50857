"""A JSON Schema of a stranger and a value: what the judge is certain of, a whole validator says as well.

An input is the schema, SEPARATOR, and the value.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
from pydantic_core import from_json

from fuzz.target import Target
from lingma_trio.emulation.json_schema import Judge, Spent

SEPARATOR = b"\x1f"

STEPS = 20_000
"""Of the judge's budget; a whole answer's is larger."""


def verdict(schema: dict[str, Any], value: object) -> bool | None:
    """What the judge says, or None where it does not."""
    judge = Judge(STEPS)
    judge.begin(schema)
    try:
        return judge.verdict(value, schema)
    except Spent:
        return None


def check(data: bytes) -> None:
    """Judge the value, and let the other do it where the judge is certain."""
    first, _, second = data.partition(SEPARATOR)
    try:
        schema, value = (from_json(each, allow_inf_nan=False) for each in (first, second))
    except ValueError:
        return
    if not isinstance(schema, dict):
        return
    ours = verdict(schema, value)
    fault = Judge(STEPS).value_fault(value, schema)
    assert not fault or ours is False or ours is None, fault
    if ours is None:
        return
    try:
        validator = jsonschema_rs.validator_for(schema)
        theirs = validator.is_valid(value)
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError):
        return  # no schema to it, or more than it takes
    assert ours == theirs, json.dumps([schema, value])


TARGET = Target("schema", check, size=1024, calls=500, calls_per_byte=200)
