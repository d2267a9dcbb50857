"""The measured bound: lowered by refusals, raised by one after a quiet time that used it in full."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.measured_bound import QUIET, MeasuredBound


def test_nobody_is_bounded_before_a_refusal() -> None:
    """What nobody knows bounds nothing."""
    bound = MeasuredBound()
    assert bound.takes(1_000_000, 0.0)
    assert not bound.answered(1_000.0, under_way=7)


def test_a_burst_is_measured_exactly() -> None:
    """Of ten questions asked at once those after the third are refused, in whatever order: three is the bound."""
    bound = MeasuredBound()
    for beside in (9, 3, 7, 5, 4, 8, 6):
        bound.refused(0.0, beside=beside)
    assert bound.bound == 3
    assert bound.takes(2, 0.0)
    assert not bound.takes(3, 0.0)


def test_one_more_is_tried_after_a_quiet_time() -> None:
    """Not before, and only where the bound was in the way."""
    bound = MeasuredBound()
    bound.refused(0.0, beside=3)
    assert not bound.answered(QUIET - 0.1, under_way=3)
    assert not bound.answered(QUIET, under_way=2)
    assert bound.answered(QUIET, under_way=3)
    assert bound.bound == 4
    assert not bound.answered(QUIET + 1, under_way=4)
    bound.refused(QUIET + 2, beside=3)
    assert repr(bound) == "<MeasuredBound 3>"


def test_one_more_is_tried_while_what_fills_it_goes_on() -> None:
    """After a quiet time one more than the bound is taken, and one only; its refusal begins another quiet time."""
    bound = MeasuredBound()
    bound.refused(0.0, beside=3)
    assert (bound.next_try(1.0), bound.takes(3, QUIET - 0.1)) == (QUIET, False)
    assert (bound.takes(3, QUIET), bound.takes(4, QUIET)) == (True, False)
    assert bound.next_try(QUIET) == math.inf
    bound.refused(QUIET + 1, beside=3)
    assert not bound.takes(3, QUIET + 2)
    assert bound.answered(2 * QUIET + 1, under_way=4)
    assert bound.bound == 4


def test_one_at_a_time_may_be_all() -> None:
    """An account that refuses a second question is asked one at a time."""
    bound = MeasuredBound()
    bound.refused(0.0, beside=1)
    assert (bound.takes(0, 0.0), bound.takes(1, 0.0)) == (True, False)


def test_what_was_no_bound_is_forgotten() -> None:
    """Where refusals turn out to have had another reason nobody is bounded."""
    bound = MeasuredBound()
    bound.refused(0.0, beside=3)
    bound.forget()
    assert bound.takes(3, 0.0)
    assert bound.next_try(0.0) == math.inf


@given(st.lists(st.integers(1, 50), min_size=1, max_size=50))
def test_one_at_a_time_is_always_taken(refusals: list[int]) -> None:
    """No refusal beside others leaves an instance without any turn, and none raises the bound."""
    bound, before = MeasuredBound(), 1_000
    for now, beside in enumerate(refusals):
        bound.refused(float(now), beside=beside)
        assert bound.bound is not None
        assert 1 <= bound.bound <= before
        before = bound.bound
    assert bound.takes(0, float(len(refusals)))
