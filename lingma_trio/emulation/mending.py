"""Puts right what models get slightly wrong in JSON that a schema describes, where it is certain what was meant.

Knows JSON Schema as far as it says what a value may be. Must not know tools, formats or who asks again.

Certain is: null for a property that is required, may be null, and was left out; the JSON that a string holds, where no
string may be but such JSON may (`"5"` for 5); a whole number that is written as 1000.0, for an integer; and where a
schema is `strict`, as its client means to be held to the letter, that a property it rules out is left out. Whatever
else does not fit stays as it is. There is a bound to the work, with which the whole value stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import from_json, to_json

from lingma_trio.emulation.json_keywords import Schema, is_of, kinds_of
from lingma_trio.emulation.json_schema import MOST_DEPTH, Judge, Spent
from lingma_trio.policy.json_size import MAX_VALUES

MOST_STEPS: Final = 16_384
"""What the mending of an answer and all its calls may cost, in steps of the judge's."""

_LARGEST: Final = 2**53
"""Beyond it a float does not tell which whole number was meant."""

_LETTERS_A_STEP: Final = 64
_WRITTEN_AS_FLOAT: Final = re.compile(r"\d\.0\b")


class Mender:
    """What mends the values of one answer. `judge` says what fits, and is the whole answer's."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._guide = Judge(MOST_STEPS)
        self._strict = False
        self._depth = 0

    def fit(self, text: str, schema: Schema, *, strict: bool = False) -> tuple[str, str]:
        """The JSON text that fits `schema` as well as it can, and what is wrong with it, as `Judge.value_fault` says.

        Text that needs no mending comes back to the letter. Raises ValueError for one that is no JSON.
        """
        value = from_json(text, allow_inf_nan=False)
        fault = self._judge.value_fault(value, schema)
        if not fault and _WRITTEN_AS_FLOAT.search(text) is None:
            return text, ""
        mended = self._mended_whole(value, schema, strict=strict)
        if mended is value:
            return text, fault
        written = to_json(mended, inf_nan_mode="null")  # a number that JSON lacks, which can be read as `1e400`
        return written.decode(), self._judge.value_fault(from_json(written), schema)

    def _mended_whole(self, value: object, schema: Schema, *, strict: bool) -> object:
        self._guide.begin(schema)
        self._strict, self._depth = strict, 0
        try:
            return self._mended(value, schema)
        except Spent:
            return value

    def _mended(self, value: object, schema: object) -> object:
        """The value itself where there is nothing to mend, so that this can be told."""
        if not isinstance(schema, dict) or ("$id" in schema and self._depth):
            return value
        self._guide.spend(8)
        if self._depth == MOST_DEPTH:
            raise Spent
        self._depth += 1
        value = self._of_kind(value, kinds_of(schema))
        if isinstance(value, dict):
            value = self._object(value, schema)
        elif isinstance(value, list):
            value = self._array(value, schema)
        if isinstance(ref := schema.get("$ref"), str):
            value = self._mended(value, self._guide.target(ref))
        for inner in _schemas(schema.get("allOf")):
            value = self._mended(value, inner)
        for keyword in ("anyOf", "oneOf"):
            if branches := _schemas(schema.get(keyword)):
                value = self._chosen(value, branches)
        self._depth -= 1
        return value

    def _of_kind(self, value: object, kinds: frozenset[str]) -> object:
        """A string as the JSON it holds, and a float as a whole number, where these alone may be."""
        if isinstance(value, str) and kinds and "string" not in kinds:
            self._guide.spend(len(value) // _LETTERS_A_STEP)
            held = _held(value)
            return (
                value
                if isinstance(held, str) or not any(is_of(held, kind) for kind in kinds)
                else self._of_kind(held, kinds)
            )
        whole = isinstance(value, float) and "integer" in kinds and "number" not in kinds
        if whole and isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST:
            return int(value)
        return value

    def _object(self, value: dict[str, Any], schema: Schema) -> dict[str, Any]:
        described = schema.get("properties")
        described = described if isinstance(described, dict) else {}
        self._guide.spend(len(value))
        mended = {name: self._mended(held, described.get(name)) for name, held in value.items()}
        required = schema.get("required")
        for name in required if isinstance(required, list) else ():
            self._guide.spend(1)
            if isinstance(name, str) and name not in mended and self._may_be_null(described.get(name)):
                mended[name] = None
        if self._strict and schema.get("additionalProperties") is False and "patternProperties" not in schema:
            mended = {name: held for name, held in mended.items() if name in described}
        same = len(mended) == len(value) and all(mended[name] is held for name, held in value.items())
        return value if same else mended

    def _array(self, value: list[Any], schema: Schema) -> list[Any]:
        items, first = schema.get("items"), schema.get("prefixItems")
        if isinstance(items, list):  # as drafts before 2020-12 have it
            items, first = schema.get("additionalItems"), items
        first = first if isinstance(first, list) else []
        self._guide.spend(len(value))
        mended = [self._mended(held, first[at] if at < len(first) else items) for at, held in enumerate(value)]
        return value if all(new is held for new, held in zip(mended, value, strict=True)) else mended

    def _chosen(self, value: object, branches: list[Any]) -> object:
        """Mended as the branch has it that fits, or the only one that can be made to."""
        for branch in branches:
            if self._guide.verdict(value, branch) is not False:
                return self._mended(value, branch)
        made = [
            mended
            for branch in branches
            if (mended := self._mended(value, branch)) is not value and self._guide.verdict(mended, branch) is not False
        ]
        return made[0] if len(made) == 1 else value

    def _may_be_null(self, schema: object) -> bool:
        """Whether a schema says of itself that null may be, and does not only leave it open."""
        return any("null" in kinds_of(inner) for inner in self._forms(schema)) and (
            self._guide.verdict(None, schema) is not False
        )

    def _forms(self, schema: object, depth: int = 0) -> Iterator[Schema]:
        """A schema, and those that it is one of or refers to."""
        if not isinstance(schema, dict) or depth > MOST_DEPTH:
            return
        self._guide.spend(2)
        yield schema
        if isinstance(ref := schema.get("$ref"), str):
            yield from self._forms(self._guide.target(ref), depth + 1)
        for keyword in ("anyOf", "oneOf"):
            for inner in _schemas(schema.get(keyword)):
                yield from self._forms(inner, depth + 1)


def _schemas(held: object) -> list[Any]:
    return held if isinstance(held, list) else []


def _held(text: str) -> object:
    """The JSON value that a text holds, or the text; one so long that its values have to be counted is left alone."""
    try:
        return text if len(text) > MAX_VALUES else from_json(text, allow_inf_nan=False)
    except ValueError:
        return text
