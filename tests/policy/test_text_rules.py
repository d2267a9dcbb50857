"""Expressions and formats of JSON Schema."""

from __future__ import annotations

import pytest

from lingma_trio.policy.text_rules import MOST_BACKTRACKS, has_format, is_expression, matches


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^a+$", "aaa", True),
        ("^a+$", "aab", False),
        ("b", "abc", True),
        (r"^(?!x)\w+$", "yx", True),
        (r"^(?!x)\w+$", "xy", False),
        (r"^\d{3}$", "123", True),
        (r"^\p{Lu}", "Ä", True),
        ("^灵码$", "灵码", True),
    ],
)
def test_expression_is_found_or_not(pattern: str, text: str, *, found: bool) -> None:
    """As in the dialect of ECMA, anywhere in the text."""
    assert is_expression(pattern)
    assert matches(pattern, text) is found


@pytest.mark.parametrize("pattern", ["(", "[", "a{2,1}", "(a{1000}){1000}"])
def test_what_is_no_expression(pattern: str) -> None:
    """What no engine reads is told, and so is what would take too much room."""
    assert not is_expression(pattern)


def test_no_expression_takes_for_ever() -> None:
    """One that Python's own engine would not finish in a lifetime matches nothing, and soon."""
    assert not matches(r"^(a|a)*\1$", "a" * MOST_BACKTRACKS + "b")


@pytest.mark.parametrize(
    ("name", "text", "has"),
    [
        ("date", "2026-11-25", True),
        ("date", "2026-13-01", False),
        ("date-time", "2026-11-25T09:44:17Z", True),
        ("email", "a@example.com", True),
        ("email", "nobody", False),
        ("uuid", "0f4e0f4e-0f4e-4f4e-8f4e-0f4e0f4e0f4e", True),
        ("uuid", "0f4e", False),
        ("no format of the standard", "anything", True),
    ],
)
def test_format_is_kept_or_not(name: str, text: str, *, has: bool) -> None:
    """Those that JSON Schema knows; others ask for nothing."""
    assert has_format(name, text) is has
