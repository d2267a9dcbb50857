"""Plain numbers of what happens."""

from __future__ import annotations

from lingma_trio.policy.tallies import Count, Spread


def test_tally_is_added_to() -> None:
    """It begins with nothing, and knows since when it counts."""
    tally = Count(7.0)
    tally.count += 3
    assert (tally.began, tally.count) == (7.0, 3)


def test_each_time_counts_in_one_interval() -> None:
    """A bound belongs to what is below it, as Prometheus has it, and what is over all of them is counted too."""
    spread = Spread((0.5, 1.0), 7.0)
    for seconds in (0.1, 0.5, 0.75, 1.0, 1.5, 900.0):
        spread.observe(seconds)
    assert spread.counts == [2, 2, 2]
    assert spread.sum == 903.85
    assert spread.began == 7.0
