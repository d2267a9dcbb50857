"""Cooling down: longer each time the limit is still there, over with the first success."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.cooldown import FIRST, LONGEST, Cooldown


def test_it_starts_rested() -> None:
    """An instance that hit nothing may be asked."""
    assert Cooldown().remaining(0.0) == 0.0


def test_each_rest_is_twice_the_one_before() -> None:
    """A limit that is hit again after the rest is given more time."""
    cooldown, now, rests = Cooldown(), 100.0, []
    for _ in range(4):
        rests.append(cooldown.hit(now))
        now += rests[-1]
    assert rests == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST]


def test_turns_that_fail_together_are_one_hit() -> None:
    """Ten turns under way at once do not make the rest a thousand times longer."""
    cooldown = Cooldown()
    assert cooldown.hit(0.0) == FIRST
    assert [cooldown.hit(1.0) for _ in range(10)] == [FIRST - 1.0] * 10
    assert cooldown.hit(FIRST) == 2 * FIRST


def test_what_upstream_asks_for_is_kept() -> None:
    """A Retry-After counts instead of our own guess, also when it comes during a rest."""
    cooldown = Cooldown()
    assert cooldown.hit(0.0, retry_after=5.0) == 5.0
    assert cooldown.remaining(3.0) == 2.0
    assert cooldown.hit(3.0, retry_after=60.0) == 60.0


def test_a_success_ends_it() -> None:
    """After a turn that ended well the next hit starts small again."""
    cooldown = Cooldown()
    cooldown.hit(0.0)
    cooldown.hit(FIRST)
    cooldown.succeeded(asked=FIRST + 1)
    assert cooldown.remaining(FIRST) == 0.0
    assert cooldown.hit(1_000.0) == FIRST


def test_a_success_from_before_the_limit_says_nothing() -> None:
    """An answer that was under way when the limit was hit ends neither the rest nor its growth."""
    cooldown = Cooldown()
    cooldown.hit(10.0)
    cooldown.succeeded(asked=10.0)
    assert cooldown.remaining(10.0) == FIRST
    assert cooldown.hit(10.0 + FIRST) == 2 * FIRST


@given(st.lists(st.tuples(st.integers(0, 1_000), st.none() | st.integers(-10, 1_000_000)), max_size=30))
def test_no_rest_is_longer_than_the_longest(hits: list[tuple[int, int | None]]) -> None:
    """Whatever upstream asks for and however often the limit is hit, the instance is tried again."""
    cooldown, now = Cooldown(), 0.0
    for later, retry_after in hits:
        now += later
        assert 0.0 < cooldown.hit(now, retry_after=retry_after) <= LONGEST
        assert cooldown.remaining(now) <= LONGEST
        assert cooldown.remaining(now + LONGEST) == 0.0
