"""Backoff: delays grow within their bounds, and a long life starts them again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.backoff import Backoff


def whole() -> float:
    """The jitter that shortens nothing."""
    return 1.0


def nothing() -> float:
    """The jitter that shortens most."""
    return 0.0


def test_delays_double_to_the_cap() -> None:
    """Quick failures are spaced by the documented series, and the cap is a delay itself."""
    backoff = Backoff(jitter=whole)
    assert [backoff.next_delay(0) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_jitter_takes_at_most_a_half() -> None:
    """The shortest delay is half of the whole one, and the series goes on from the whole one."""
    backoff = Backoff(jitter=nothing)
    assert [backoff.next_delay(0) for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_the_settings_are_obeyed() -> None:
    """First delay, factor and cap are the caller's."""
    backoff = Backoff(first=1, factor=3, cap=10, jitter=whole)
    assert [backoff.next_delay(0) for _ in range(4)] == [1, 3, 9, 10]


@pytest.mark.parametrize(("lived", "expected"), [(59.9, 2.0), (60.0, 0.5), (1e9, 0.5)])
def test_a_life_of_stable_after_seconds_starts_the_series_again(lived: float, expected: float) -> None:
    """The bound itself counts as stable; just under it does not."""
    backoff = Backoff(jitter=whole)
    backoff.next_delay(0)
    backoff.next_delay(0)
    assert backoff.next_delay(lived) == expected
    assert backoff.next_delay(0) == 2 * expected


def test_two_backoffs_do_not_run_in_step() -> None:
    """Without a jitter of the caller's own, delays are random: twenty equal ones would be a wonder."""
    first, second = Backoff(), Backoff()
    assert [first.next_delay(0) for _ in range(20)] != [second.next_delay(0) for _ in range(20)]


@pytest.mark.parametrize(
    "numbers", [{"first": 0.0}, {"first": -1.0}, {"first": 61.0}, {"factor": 0.9}, {"first": 2.0, "cap": 1.0}]
)
def test_numbers_that_give_no_growing_delays_are_refused(numbers: dict[str, float]) -> None:
    """A first delay of nothing, a shrinking factor or a cap under the first delay is the caller's mistake."""
    with pytest.raises(ValueError, match="no growing delays"):
        Backoff(**numbers)  # type: ignore[arg-type]


def test_the_repr_shows_the_next_delay() -> None:
    """A log line tells how far the series has come."""
    backoff = Backoff(jitter=whole)
    backoff.next_delay(0)
    assert repr(backoff) == "<Backoff next<=1s>"


@given(
    first=st.floats(0.001, 10),
    factor=st.floats(1, 10),
    cap=st.floats(10, 1000),
    lives=st.lists(st.tuples(st.floats(0, 200), st.floats(0, 1)), max_size=50),
)
def test_delays_stay_within_their_bounds(
    first: float, factor: float, cap: float, lives: list[tuple[float, float]]
) -> None:
    """Whatever lives and jitter come, a delay is at least half the first and at most the cap."""
    jitters = iter([jitter for _, jitter in lives])
    backoff = Backoff(first=first, factor=factor, cap=cap, jitter=lambda: next(jitters))
    for lived, _ in lives:
        assert first / 2 <= backoff.next_delay(lived) <= cap


@given(factor=st.floats(2, 10), jitters=st.lists(st.floats(0, 1), min_size=2, max_size=50))
def test_delays_never_shrink_before_the_cap(factor: float, jitters: list[float]) -> None:
    """With a factor of 2 or more no jitter makes a delay shorter than the one before."""
    source = iter(jitters)
    backoff = Backoff(first=1, factor=factor, cap=1e60, jitter=lambda: next(source))
    delays = [backoff.next_delay(0) for _ in jitters]
    assert delays == sorted(delays)


@given(before=st.integers(0, 20), after=st.integers(1, 5))
def test_a_stable_life_leaves_no_trace(before: int, after: int) -> None:
    """After a stable life the series is that of a fresh object, however long the failures before it."""
    used, fresh = Backoff(jitter=whole), Backoff(jitter=whole)
    for _ in range(before):
        used.next_delay(0)
    lives = [60.0] + [0.0] * after
    assert [used.next_delay(lived) for lived in lives] == [fresh.next_delay(lived) for lived in lives]


def test_growth_beyond_all_floats_ends_at_the_cap() -> None:
    """However far the series goes on, it gives a delay and no OverflowError."""
    backoff = Backoff(factor=1e300, jitter=whole)
    assert [backoff.next_delay(0) for _ in range(5)][-1] == 60


@given(st.floats(0.5, 1000), st.floats(0, 1), st.integers(0, 20))
def test_longest_delay_is_the_cap_and_changes_nothing(cap: float, jitter: float, before: int) -> None:
    """It is shortened as every delay is, and the series goes on as if it had not been."""
    used, fresh = (Backoff(cap=cap, jitter=lambda: jitter) for _ in range(2))
    for backoff in (used, fresh):
        for _ in range(before):
            backoff.next_delay(0)
    assert used.longest_delay() == pytest.approx(cap * (0.5 + jitter / 2))
    assert used.next_delay(0) == fresh.next_delay(0)


@given(before=st.integers(0, 20), after=st.integers(1, 5))
def test_a_reset_leaves_no_trace(before: int, after: int) -> None:
    """After a reset the series is that of a fresh object, however many failures came before."""
    used, fresh = Backoff(jitter=whole), Backoff(jitter=whole)
    for _ in range(before):
        used.next_delay(0)
    used.reset()
    assert [used.next_delay(0) for _ in range(after)] == [fresh.next_delay(0) for _ in range(after)]
