"""JSON as models write it: where it ends, what is put right, and which calls it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from lingma_trio.emulation.action_json import Action, JsonScan, read_actions, read_code
from lingma_trio.policy.json_size import MAX_VALUES
from tests.hostile.steps import processor_time
from tests.small_pieces import held_for_each

NAMES = ("read_file", "run")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["“", "```", "\\", '"', ",}", "\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(VALUES, max_size=3) | st.dictionaries(st.text(), VALUES, max_size=3), st.booleans(), st.text(max_size=3)
)
def test_valid_json_is_copied_to_its_end(value: object, plain: bool, rest: str) -> None:
    """Whatever it holds, it is not touched, and the end is found however it comes."""
    text = json.dumps(value, ensure_ascii=plain)
    whole, piecewise = JsonScan(), JsonScan()
    assert whole.feed(text + rest) == len(text)
    assert [piecewise.feed(character) for character in text] == [None] * (len(text) - 1) + [1]
    assert whole.mended == piecewise.mended == text


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('{"a": [1, 2, ], }', {"a": [1, 2]}),
        ('{“a”: “b "c"”}', {"a": 'b "c"'}),
        ('{"a": "x\ny\x07"}', {"a": "x\ny"}),
        (r'{"a": "\d \' \u4f60"}', {"a": r"\d ' 你"}),
        ('{"a": {"b": [1\n```', {"a": {"b": [1]}}),
    ],
)
def test_what_models_get_wrong_is_put_right(written: str, value: object) -> None:
    """Commas, quotes, control characters, escapes, and brackets that the end of the block cuts off."""
    scan = JsonScan()
    assert scan.feed(written) is not None
    assert not scan.broken
    assert json.loads(scan.mended) == value


@pytest.mark.parametrize("written", ["text", "}", '{"a": 1]'])
def test_what_is_no_json_is_broken(written: str) -> None:
    """It begins with no bracket, or closes one that is not open."""
    scan = JsonScan()
    scan.feed(written)
    assert scan.broken


def test_strict_reading_takes_no_json_that_is_about_something_else() -> None:
    """A manifest with a tool's name is not a call."""
    manifest = '{"name": "run", "version": "1"}'
    assert read_actions(manifest, NAMES) == [Action("run", {"version": "1"})]
    assert read_actions(manifest, NAMES, strict=True) == "has no arguments"


@pytest.mark.parametrize(
    ("code", "actions"),
    [
        ('run(command="ls")', [Action("run", {"command": "ls"})]),
        (
            "print(api.run(n=1, on=[True, None]))\nrun()",
            [Action("run", {"n": 1, "on": [True, None]}), Action("run", {})],
        ),
    ],
)
def test_calls_as_code_are_read(code: str, actions: list[Action]) -> None:
    """Keyword arguments that are literals."""
    assert read_code(code, NAMES) == actions


@pytest.mark.parametrize(
    "code",
    ["", "run(", "run('ls')", "other(a=1)", "run(a=open('/etc'))", "x = run(a=1)", "(" * 500, "run(a=1)" * 20000],
)
def test_other_code_is_no_call(code: str) -> None:
    """Nothing is ever evaluated."""
    assert isinstance(read_code(code, NAMES), str)


@pytest.mark.parametrize("many", ["[" + "[]," * 1_000_000 + "[]]", '{"tool":"look","arguments":' + "[0," * 100_001])
def test_what_takes_too_long_to_read_is_not_read(many: str) -> None:
    """An answer of megabytes of tiny values is told apart before it is read, also one in a text of its own."""
    with processor_time() as spent:
        assert read_actions(many, ("look",)) == f"has more than {MAX_VALUES} JSON values in it"
        within = to_json({"tool": "look", "arguments": many}).decode()
        assert read_actions(within, ("look",)) == "has arguments that are no JSON object"
    assert spent.seconds < 0.2


def test_value_in_small_pieces_takes_about_its_own_memory() -> None:
    """However many deltas bring it; each would take fifty bytes beside its own."""
    scan = JsonScan()
    scan.feed('["')
    assert held_for_each(scan.feed) < 20
