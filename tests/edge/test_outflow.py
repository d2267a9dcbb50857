"""How a client takes what waits for it."""

from __future__ import annotations

import pytest

from lingma_trio.edge.outflow import WINDOW, Outflow


def test_only_time_in_which_something_waits_counts() -> None:
    """A client of whom nothing is held up is never idle."""
    outflow = Outflow(0)
    assert outflow.idle(unsent=0, now=100) == 0
    outflow.add(10)
    assert outflow.idle(unsent=10, now=105) == pytest.approx(5)
    assert outflow.idle(unsent=9, now=106) == 0
    outflow.add(100)
    assert outflow.idle(unsent=109, now=108) == pytest.approx(2)
    assert outflow.idle(unsent=0, now=108) == 0


def test_rate_is_of_the_last_window() -> None:
    """It is not known before there is one, and then of what was taken in it."""
    outflow = Outflow(0)
    outflow.add(100_000)
    left = 100_000
    for second in range(round(WINDOW)):
        left -= 1000
        assert outflow.rate(unsent=left, now=second) is None
    assert outflow.rate(unsent=left, now=WINDOW) == pytest.approx(950)
    assert outflow.rate(unsent=left, now=2 * WINDOW) == pytest.approx(0)


def test_time_in_which_nothing_waited_is_forgotten() -> None:
    """A stream that was slow of itself says nothing about its client, though something of it is always on its way."""
    outflow = Outflow(0)
    outflow.add(10_000)
    assert outflow.rate(unsent=10_000, now=0) is None
    before = outflow.held_up
    outflow.add(100)
    outflow.idle(unsent=100, now=10)
    assert (before, outflow.held_up) == (True, False)
    outflow.add(10_000)
    assert outflow.rate(unsent=10_000, now=WINDOW) is None


def test_pieces_that_each_find_room_in_time_make_no_new_beginning() -> None:
    """A client that takes too little of a stream in small pieces is as slow as one that holds up a single write."""
    outflow = Outflow(0)
    outflow.add(16_000)
    rates = []
    for second in range(round(WINDOW) + 1):
        unsent = 16_000 - 500 * (second % 10)  # what is taken is filled up again
        outflow.idle(unsent, now=second)
        if second % 10 == 0:
            rates.append(outflow.rate(unsent, now=second))
            outflow.add(5000)
    assert rates == [None, None, pytest.approx(500)]
