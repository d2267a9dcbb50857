"""JSON text that any client's line splitter leaves whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.api.json_text import canonical, encodable, encode, encode_text

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(st.text())
def test_a_text_comes_back_as_it_was(text: str) -> None:
    """Every text that UTF-8 can hold survives the way through JSON."""
    assert json.loads(encode_text(text)) == text


@given(ANY_TEXT)
def test_any_text_is_one_line_of_valid_json(text: str) -> None:
    """Whatever the text, lone surrogates included, no reading of its JSON finds a line break in it."""
    encoded = encode_text(text).decode()
    assert encoded.splitlines() == [encoded]
    assert json.loads(encoded) == encodable(text)


@pytest.mark.parametrize("mark", ["\u0085", "\u2028", "\u2029"])
def test_unicode_line_breaks_are_escaped_in_texts_and_values(mark: str) -> None:
    """The line breaks that JSON allows raw are escaped, alone and inside a value."""
    assert encode_text(f"a{mark}b") == f'"a\\u{ord(mark):04x}b"'.encode()
    assert encode({mark: mark}).isascii()


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    """What has no bytes in UTF-8 is replaced, and the text round it stands."""
    assert encode_text("a\ud800b") == b'"a?b"'


@given(JSON)
def test_canonical_text_does_not_depend_on_the_order_of_keys(value: object) -> None:
    """The same value gives the same text whichever way round its keys came."""
    assert canonical(_reversed(value)) == canonical(value)
    assert json.loads(canonical(value)) == value


def test_canonical_text_keeps_the_order_of_an_array() -> None:
    """Arrays are not sets: another order is another text."""
    assert canonical([1, 2]) != canonical([2, 1])


def _reversed(value: object) -> object:
    if isinstance(value, dict):
        return {key: _reversed(item) for key, item in reversed(value.items())}
    if isinstance(value, list):
        return [_reversed(item) for item in value]
    return value
