"""A text with a gap as a conversation."""

from __future__ import annotations

from lingma_trio.api.filling_in import to_fill_in


def test_both_ends_are_given_as_they_are() -> None:
    """The beginning and the end stand in messages of their own, named, behind what is to be done with them."""
    rule, beginning, end = to_fill_in("def f(\n", "  return x\n")
    assert rule.role == "system"
    assert (beginning.name, beginning.text) == ("beginning", "def f(\n")
    assert (end.name, end.text) == ("end", "  return x\n")
