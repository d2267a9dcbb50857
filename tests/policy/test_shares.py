"""Shares: one owner alone has all the room, and nobody takes another's part of it."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.shares import Shares


def test_one_owner_alone_has_all_the_room() -> None:
    """What is oldest goes when there is more than there is room for."""
    shares: Shares[int] = Shares(3)
    assert [shares.add(item, "a") for item in range(5)] == [None, None, None, 0, 1]
    assert [item in shares for item in range(5)] == [False, False, True, True, True]


def test_what_is_added_again_is_the_youngest() -> None:
    """An item has one owner and one place, that of its last addition."""
    shares: Shares[int] = Shares(2)
    for item, owner in ((1, "a"), (2, "a"), (1, "b")):
        shares.add(item, owner)
    assert shares.add(3, "a") == 2
    assert repr(shares) == "<Shares 2/2 owners=2>"


def test_nothing_is_kept_of_who_has_nothing() -> None:
    """An owner whose last item goes is forgotten, and what is not there can be discarded."""
    shares: Shares[int] = Shares(2)
    shares.add(1, "a")
    shares.discard(1)
    shares.discard(1)
    assert repr(shares) == "<Shares 0/2 owners=0>"
    shares.add(1, "a")
    shares.clear()
    assert len(shares) == 0
    assert 1 not in shares


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc"))), st.integers(1, 8))
def test_whoever_has_most_makes_room(additions: list[tuple[int, str]], most: int) -> None:
    """What goes was its owner's, who had as much as anybody; what was kept is what is there."""
    shares: Shares[int] = Shares(most)
    held: dict[int, str] = {}
    for item, owner in additions:
        held.pop(item, None)
        held[item] = owner
        gone = shares.add(item, owner)
        counts = Counter(held.values())
        if gone is not None:
            assert counts[held[gone]] == max(counts.values())
            assert gone == next(each for each in held if held[each] == held[gone])
            del held[gone]
        assert len(shares) == len(held) <= most
        assert all(each in shares for each in held)
