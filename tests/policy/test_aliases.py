"""Other names for models."""

from __future__ import annotations

import pytest

from lingma_trio.policy.aliases import Alias, Aliases

TABLE = Aliases([("claude-opus-5-5", "qwen"), ("Fast", "org_auto"), ("loop", "Fast")])


SPELLINGS = ["claude-opus-5-5", "CLAUDE-Opus-5-5", " claude-opus-5-5 ", "anthropic/claude-opus-5-5"]


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_name_is_found_in_any_spelling(name: str) -> None:
    """Case, blanks and providers in front of a name do not count."""
    assert TABLE.model(name) == "qwen"
    assert TABLE.find(name) == Alias("claude-opus-5-5", "qwen")


@pytest.mark.parametrize("name", ["", "qwen", "claude", "claude-opus-5-5-20990101", "claude-opus-5-5/other"])
def test_any_other_name_stands_for_itself(name: str) -> None:
    """What is in no table is left to the catalogue."""
    assert TABLE.model(name) == name
    assert TABLE.find(name) is None


def test_an_alias_of_an_alias_is_not_followed() -> None:
    """The second name is a model's, so no table can go round in circles."""
    assert TABLE.model("loop") == "Fast"


def test_aliases_are_listed_as_they_were_given() -> None:
    """The list has the operator's spelling and order, and an empty table none."""
    assert [alias.name for alias in TABLE.listed] == ["claude-opus-5-5", "Fast", "loop"]
    assert Aliases().listed == ()
