"""A model as every surface's list has it."""

from __future__ import annotations

from lingma_trio.api.listed_model import ListedModel


def test_length_is_not_known_unless_it_is_told() -> None:
    """A model of which nothing is said has no length, rather than a guess."""
    assert ListedModel("qwen", "Qwen").max_input_tokens is None
