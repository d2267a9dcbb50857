"""How many calls become several trips."""

from __future__ import annotations

from lingma_trio.state.batches import batches


def test_all_come_in_their_order() -> None:
    """As many at a time as there may be, and nothing where there is nothing."""
    assert list(batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batches("ab", 2)) == [["a", "b"]]
    assert not list(batches([], 2))
