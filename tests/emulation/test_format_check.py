"""JSON alone comes out, or what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.emulation.format_check import MOST_VALUES, FormatCheck
from lingma_trio.emulation.json_schema import Judge
from lingma_trio.emulation.mending import Mender
from lingma_trio.turns import AnswerFormat
from tests.small_pieces import held_for_each

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def verdict(text: str, schema: dict[str, Any] | None = None) -> tuple[str, str]:
    """The verdict on a text that comes in two pieces."""
    check = FormatCheck(AnswerFormat(schema), Mender(Judge()))
    check.text("void")
    check.replace(text[:3])
    check.text(text[3:])
    return check.verdict()


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        ' \n{"a": 1}\n',
        '```json\n{"a": 1}\n```',
        'Here it is:\n```\n{"a": 1}\n```\nAnything else?',
        'It is {"a": 1}.',
        'Not [this], but:\n```json\n{"a": 1}\n```',
    ],
)
def test_json_is_freed_of_what_is_round_it(text: str) -> None:
    """A fence, blanks or words; its own text is left as it is."""
    assert verdict(text) == verdict(text, SCHEMA) == ('{"a": 1}', "")


@pytest.mark.parametrize(
    ("text", "schema", "fault"),
    [
        ("", None, "it is no JSON"),
        ("Nothing.", None, "it is no JSON"),
        ("[1]", None, "it is no JSON object"),
        ('{"a": NaN}', None, "it is no JSON"),
        ('{"a": "x"}', SCHEMA, "it does not fit the schema: a must be an integer"),
        ('```json\n{"a": "x"}\n```', SCHEMA, "it is no JSON"),
    ],
)
def test_fault_is_named(text: str, schema: dict[str, Any] | None, fault: str) -> None:
    """For the model to mend."""
    assert verdict(text, schema) == ("", fault)


def test_what_is_certain_is_mended() -> None:
    """What is ruled out goes only where the schema is strict; the session is told that its answer is another one."""
    assert verdict('{"a": "1"}', SCHEMA) == verdict('```json\n{"a": 1.0}\n```', SCHEMA) == ('{"a":1}', "")
    closed = {**SCHEMA, "additionalProperties": False}
    assert verdict('{"a": 1, "b": 2}', closed) == ("", "it does not fit the schema: It must not have b")
    check = FormatCheck(AnswerFormat(closed, strict=True), Mender(Judge()))
    check.text('{"a": 1, "b": 2}')
    assert check.verdict() == ('{"a":1}', "")
    assert check.trimmed


def test_schema_need_not_be_an_objects() -> None:
    """What is asked for is what comes."""
    assert verdict("[1, 2]", {"type": "array"}) == ("[1, 2]", "")
    assert verdict("5", {"type": "integer"}) == ("5", "")


def test_answer_that_takes_too_long_to_read_is_taken_as_it_is() -> None:
    """Whether it is right or not: what cannot be judged is no reason to ask again."""
    for text in ("[" + "[]," * MOST_VALUES + "[]]", "," * (MOST_VALUES + 1)):
        assert verdict(text, SCHEMA) == (text, "")


def test_small_deltas_are_held_as_the_text_they_are() -> None:
    """All of the answer waits here: a string for each delta would be ten times that."""
    check = FormatCheck(AnswerFormat(None), Mender(Judge()))
    assert held_for_each(check.text) < 20
