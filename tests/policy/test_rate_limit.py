"""The bucket: nobody gets more than a minute's worth beyond the rate, and whoever waits as told is let in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.rate_limit import Allowance, Bucket

RATES = st.integers(1, 1_000_000)
PAUSES = st.floats(0, 200, allow_nan=False)


def test_full_bucket_gives_a_minutes_worth_at_once() -> None:
    """What may be had in a minute may be had in its first moment, and then nothing for a while."""
    bucket = Bucket(3)
    for _ in range(3):
        assert bucket.wait(1, 100.0) == 0
        bucket.spend(1, 100.0)
    assert bucket.wait(1, 100.0) == pytest.approx(20)
    assert bucket.wait(3, 100.0) == pytest.approx(60)
    assert bucket.wait(1, 120.0) == 0


def test_allowance_says_what_is_left_and_when_all_is() -> None:
    """Limit, rest, and the seconds until the bucket is full."""
    bucket = Bucket(60)
    assert bucket.allowance(5.0) == Allowance(60, 60, 0.0)
    bucket.spend(10, 5.0)
    assert bucket.allowance(5.0) == Allowance(60, 50, 10.0)
    assert bucket.allowance(8.5) == Allowance(60, 53, 6.5)


def test_debt_is_paid_before_anything_is_given() -> None:
    """An answer that was longer than what was left is owed."""
    bucket = Bucket(60)
    bucket.spend(90, 0.0)
    assert bucket.allowance(0.0) == Allowance(60, 0, 90.0)
    assert bucket.wait(1, 0.0) == pytest.approx(31)
    assert bucket.wait(1, 31.0) == 0


@given(rate=RATES, steps=st.lists(st.tuples(PAUSES, st.floats(0, 1)), max_size=60))
def test_rate_is_never_exceeded(rate: int, steps: list[tuple[float, float]]) -> None:
    """Over any stretch of time no more is given than the bucket holds and what flows in meanwhile."""
    bucket, now = Bucket(rate), 0.0
    given_out: list[tuple[float, int]] = []
    for pause, share in steps:
        now += pause
        amount = max(1, round(rate * share))
        if bucket.wait(amount, now) == 0:
            bucket.spend(amount, now)
            given_out.append((now, amount))
    for place, (start, _) in enumerate(given_out):
        for end in range(place, len(given_out)):
            total = sum(amount for _, amount in given_out[place : end + 1])
            assert total <= rate + (given_out[end][0] - start) * rate / 60 + rate * 1e-6 + 1e-3


@given(rate=RATES, spent=st.lists(st.integers(1, 2_000_000), max_size=10), share=st.floats(0, 1), now=PAUSES)
def test_wait_is_honest(rate: int, spent: list[int], share: float, now: float) -> None:
    """After the wait it is let in, and shortly before its end it is not."""
    bucket, amount = Bucket(rate), max(1, round(rate * share))
    for each in spent:
        bucket.spend(each, now)
    wait = bucket.wait(amount, now)
    assert bucket.wait(amount, now + wait) == 0
    if wait > 0.01:
        assert bucket.wait(amount, now + wait - 0.005) > 0


@given(rate=RATES, spent=st.lists(st.integers(1, 1000), max_size=10), now=PAUSES)
def test_what_remains_can_be_had(rate: int, spent: list[int], now: float) -> None:
    """The rest that is told can be spent at once, and not one more."""
    bucket = Bucket(rate)
    for each in spent:
        bucket.spend(each, now)
    left = bucket.allowance(now).remaining
    assert 0 <= left <= rate
    if left:
        assert bucket.wait(left, now) == 0
    if left < rate:
        assert bucket.wait(left + 1, now) > 0


@given(rate=RATES, amount=st.integers(-1000, 1000), now=PAUSES)
def test_what_is_settled_is_owed_or_given_back(rate: int, amount: int, now: float) -> None:
    """More than was thought is spent, and less is refunded."""
    settled, told = Bucket(rate), Bucket(rate)
    for bucket in (settled, told):
        bucket.spend(1000, now)
    settled.settle(amount, now)
    if amount < 0:
        told.refund(-amount)
    else:
        told.spend(amount, now)
    assert settled.allowance(now) == told.allowance(now)


@given(rate=RATES, spent=st.integers(0, 1000), reset=PAUSES, now=PAUSES)
def test_what_is_learned_is_all_that_counts(rate: int, spent: int, reset: float, now: float) -> None:
    """Whatever was spent here, it is full when somebody else says so."""
    bucket = Bucket(rate)
    bucket.spend(spent, now)
    bucket.learn(reset, now)
    assert bucket.allowance(now).reset == pytest.approx(reset)


@given(rate=RATES, amount=st.integers(1, 1000), now=PAUSES)
def test_refund_undoes_what_was_spent(rate: int, amount: int, now: float) -> None:
    """What was spent for nothing is there again."""
    bucket = Bucket(rate)
    bucket.spend(amount, now)
    bucket.refund(amount)
    assert bucket.allowance(now).remaining == rate
