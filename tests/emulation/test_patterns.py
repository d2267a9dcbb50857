"""Expressions of JSON Schema: what is found, what is not used, and what each is said to weigh."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.emulation.patterns import MOST_LETTERS, MOST_WEIGHT, compiled, weigh

LETTERS = st.sampled_from("ab")
PATTERNS = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\d", "^", "$", r"\."]),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=1, max_size=2).map("|".join)
        | st.builds("(?:{}){}".format, inner, st.sampled_from(["", "*", "+?", "{2}", "{1,2}", "{0,}"]))
    ),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("", "", True),
        ("^a+$", "aaa", True),
        ("^a+$", "aab", False),
        ("^a$", "a\n", False),
        ("b", "abc", True),
        (r"^\d{3}$", "123", True),
        (r"^\d$", "٣", False),
        (r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$", "a@example.com", True),
        (r"^[\w.-]+\/\$id$", "a.b-c/$id", True),
        (r"^\p{Lu}", "Ä", True),
        ("^灵码$", "灵码", True),
        ("^(?<year>[0-9]{4})-(?:0|1)", "2026-1", True),
        (r"^\u00e9\x41$", "éA", True),
    ],
)
def test_expression_is_found_or_not(pattern: str, text: str, *, found: bool) -> None:
    """As in the dialect of ECMA, anywhere in the text."""
    ready = compiled(pattern)
    assert weigh(pattern) is not None
    assert ready is not None
    assert ready(text) is found


@pytest.mark.parametrize(
    "pattern",
    [
        "(a", "(", ")", "[", "[]", "[^]",
        "a{2", "*.txt", "a**", "^*", "a|*", "^x{,5}$", "(?=a)", "(?!a)", "(?<=a)", "(?i)a",
        r"(a)\1", r"(?<y>\d{4})-\k<y>", r"\bword\b", r"a\Z", r"\<a", "[[:alpha:]]", "[a&&b]", "[a--b]", "a{1000000}",
    ],
)  # fmt: skip
def test_what_dialects_read_differently_is_not_used(pattern: str) -> None:
    """Neither is what is no expression in one of them."""
    assert weigh(pattern) is None


@pytest.mark.parametrize("pattern", [r"[\ud800-\udbff]", "a{2,1}", r"[a-\d]", "(?<a>a)(?<a>b)", r"\p{Nonsense}"])
def test_what_no_engine_takes_is_not_used(pattern: str) -> None:
    """It has a weight, and comes to nothing."""
    assert weigh(pattern) is not None
    assert compiled(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        ("abc", 3),
        ("[a-z]{0,1000}", 1000),
        ("(?:[a-z]{10}){20}", 200),
        ("(a{2,}){3}", 9),
        (".{0,300}.{0,300}0001", 15_000),
        (r"\p{L}{0,10}", 10_000),
    ],
)
def test_weight_grows_with_what_is_written_out(pattern: str, least: int) -> None:
    """Repetitions within each other multiply, and sets beyond ASCII weigh more."""
    weight = weigh(pattern)
    assert weight is not None
    assert least <= weight <= 2 * least + 10


@pytest.mark.parametrize(
    "pattern",
    ["^[A-Za-z0-9+/]{1,99999}={0,2}$", ".{0,999}", "(.{0,300}){0,300}", r"\p{L}{0,100}", "a" * (MOST_LETTERS + 1)],
)
def test_what_is_too_heavy_is_not_used(pattern: str) -> None:
    """Told before anything is made of it."""
    assert weigh(pattern) is None


def test_heaviest_expression_is_ready() -> None:
    """What may be made ready also fits into the engine's room."""
    heavy = ".{0,300}.{0,300}"
    weight = weigh(heavy)
    assert weight is not None
    assert MOST_WEIGHT * 0.9 < weight <= MOST_WEIGHT
    assert compiled(heavy) is not None


@given(PATTERNS, st.text(LETTERS, max_size=5))
def test_what_is_used_is_found_as_python_finds_it(pattern: str, text: str) -> None:
    """Two engines agree on what both dialects have."""
    ready = compiled(pattern) if weigh(pattern) is not None else None
    if ready is not None:
        assert ready(text) is (re.search(pattern, text) is not None)
