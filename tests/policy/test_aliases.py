"""Other names for models."""

from __future__ import annotations

import pytest

from lingma_trio.policy.aliases import Alias, Aliases
from tests.hostile.steps import processor_time

GENEROUS = 10.0
"""Seconds of processor time: it takes some hundredths of one, and would take years if a star were tried twice."""

TABLE = Aliases([("claude-opus-5-5", "qwen"), ("Fast", "org_auto"), ("loop", "Fast")])


def nobody(name: str) -> None:
    """No model has a name of its own."""


SPELLINGS = ["claude-opus-5-5", "CLAUDE-Opus-5-5", " claude-opus-5-5 ", "anthropic/claude-opus-5-5"]


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_name_is_found_in_any_spelling(name: str) -> None:
    """Case, blanks and providers in front of a name do not count."""
    assert TABLE.model(name, known=nobody) == "qwen"
    assert TABLE.find(name) == Alias("claude-opus-5-5", "qwen")


@pytest.mark.parametrize("name", ["", "qwen", "claude", "claude-opus-5-5-20990101", "claude-opus-5-5/other"])
def test_any_other_name_stands_for_itself(name: str) -> None:
    """What is in no table is left to the catalogue."""
    assert TABLE.model(name, known=nobody) == name
    assert TABLE.find(name) is None


def test_an_alias_of_an_alias_is_not_followed() -> None:
    """The second name is a model's, so no table can go round in circles."""
    assert TABLE.model("loop", known=nobody) == "Fast"


def test_aliases_are_listed_as_they_were_given() -> None:
    """The list has the operator's spelling and order, and an empty table none."""
    assert [alias.name for alias in TABLE.listed] == ["claude-opus-5-5", "Fast", "loop"]
    assert Aliases().listed == ()


GIVEN = [
    ("claude-*", "org_auto"),
    ("claude-haiku-*", "small"),
    ("claude-haiku-4-5", "exact"),
    ("*-mini", "mini"),
    ("gpt-*-codex", "coder"),
    ("*a*b*", "letters"),
    ("*B*a*", "later"),
]
PATTERNS = Aliases(GIVEN)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("claude-haiku-4-5", "exact"),
        ("anthropic/Claude-Haiku-4-5-20251001", "small"),
        ("claude-opus-5-5", "org_auto"),
        ("claude-", "org_auto"),
        ("openai/gpt-5-mini", "mini"),
        ("gpt-5.5-codex", "coder"),
        ("gpt--codex", "coder"),
        ("gpt-codex", "gpt-codex"),
        ("claude", "claude"),
        ("ab", "letters"),
        ("ba", "later"),
        ("aba", "letters"),
        ("", ""),
    ],
)
def test_a_pattern_stands_for_every_name_that_fits(name: str, model: str) -> None:
    """A name goes before patterns, and of those the one that says most, then the one that was written first."""
    assert PATTERNS.model(name, known=nobody) == model


def test_a_models_own_name_goes_before_patterns() -> None:
    """What the list of models has is answered by the model of that name, however wide a pattern is."""
    wide = Aliases([("*", "org_auto"), ("qwen", "other")])
    models = {"Qwen3-Max": 1, "qwen": 2}
    assert wide.model("Qwen3-Max", known=models.get) == "Qwen3-Max"
    assert wide.model("qwen", known=models.get) == "other"
    assert wide.model("gpt-5.5", known=models.get) == "org_auto"


def test_patterns_are_not_listed() -> None:
    """Nobody can ask for a model by a star."""
    assert [alias.name for alias in PATTERNS.listed] == ["claude-haiku-4-5"]


def test_the_longest_pattern_costs_little() -> None:
    """A name is looked through once for each pattern, however many stars that has."""
    hostile = Aliases([("*a" * 127 + "*b*c", f"{number}") for number in range(256)])
    with processor_time() as spent:
        assert hostile.match("a" * 256 + "c") is None
    assert spent.seconds < GENEROUS


def test_patterns_are_shown_as_they_were_given() -> None:
    """The operator's spelling and order, and no name among them."""
    assert Aliases(GIVEN).patterns == tuple(Alias(*given) for given in GIVEN if "*" in given[0])
    assert TABLE.patterns == ()


def test_what_stands_between_stars_is_not_looked_for_in_the_end() -> None:
    """No character of a name is fitted twice."""
    table = Aliases([("a*b*bc", "model")])
    assert table.model("abbc", known=nobody) == "model"
    assert table.model("abc", known=nobody) == "abc"
    assert table.model("axbc", known=nobody) == "axbc"
