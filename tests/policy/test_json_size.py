"""How much a JSON text will take to read is told from its bytes, and texts within it do not count."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from lingma_trio.policy.json_size import MAX_DIGITS, MAX_VALUES, excess, most_values, outside_texts
from tests.hostile.steps import processor_time

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='\\",[]{}:a\né'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='\\",[{a'), inner, max_size=4),
    max_leaves=20,
)

_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')


def marks_of(value: Any) -> int:  # noqa: ANN401 - any JSON
    """Commas and opening brackets that are no part of a text."""
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(0, len(value) - 1) + sum(map(marks_of, inner))


@given(JSON, st.integers(1, 20), st.booleans())
def test_texts_do_not_count_wherever_they_are_cut(value: Any, size: int, ascii_only: bool) -> None:  # noqa: ANN401
    """Quotes, backslashes and brackets in texts are seen for what they are, at any size of a slice."""
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    outside = b"".join(outside_texts(body, size=size))
    assert outside == _TEXT.sub(b"", body)
    assert most_values(outside) == marks_of(value)


def test_largest_text_of_all_passes() -> None:
    """A text of prose and code has more commas, brackets and digits than values are allowed, and is one value."""
    text = 'if x[1] == {2, 3}: return "\\\\", [0123456789], \\"4\\"\n' * 60_000
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    assert body.count(b",") > MAX_VALUES // 2
    assert excess(body) == ""


def test_as_many_values_as_are_allowed_pass() -> None:
    """The bound itself is allowed, and one more is not, also beside a text that is full of commas."""
    for first in (b"10", b'"' + b"," * (MAX_VALUES + 1) + b'"'):
        assert excess(b"[" + b",".join([first] + [b"10"] * (MAX_VALUES - 1)) + b"]") == ""
        assert str(MAX_VALUES) in excess(b"[" + b",".join([first] + [b"10"] * MAX_VALUES) + b"]")


@pytest.mark.parametrize(
    "unit", [b"[],", b"{},", b'"",', b"0,", b'{"role":"user","content":"x"},', b'{"type":"item_reference","id":"a"},']
)
def test_many_values_are_refused_cheaply(unit: bytes) -> None:
    """A body full of small values is refused within a fraction of what reading it would take."""
    body = b"[" + unit * (4_000_000 // len(unit)) + b"0]"
    with processor_time() as spent:
        assert "JSON values" in excess(body)
    assert spent.seconds < 0.15


def test_long_numbers_are_refused() -> None:
    """Numbers take the square of their digits to read."""
    assert excess(b"[" + b"9" * MAX_DIGITS + b"]") == ""
    assert "numbers" in excess(b"[" + b"9" * (MAX_DIGITS + 1) + b"]")
    number = b"9" * 4000
    assert excess(b"[" + b",".join([number] * (MAX_DIGITS // 4001)) + b"]") == ""
    assert "numbers" in excess(b"[" + b",".join([number] * (MAX_DIGITS // 4000 + 1)) + b"]")


@pytest.mark.parametrize("body", [b'"' * 500_001, b"\\" * 500_001, b'["' + b"\\" * 400_000, b"\xff" * 300_000])
def test_what_is_no_json_ends_in_a_verdict(body: bytes) -> None:
    """Junk either passes, for the reader to refuse, or is refused here."""
    if excess(body):
        return
    with pytest.raises(ValueError, match=r"line 1 column \d"):
        from_json(body)


def test_reader_bounds_nesting_itself() -> None:
    """What is nested deeper than 200 levels is refused at once, so it needs no count."""
    with pytest.raises(ValueError, match="recursion limit"):
        from_json(b"[" * 5_000_000)
