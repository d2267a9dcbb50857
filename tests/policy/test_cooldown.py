"""Cooling down: longer each time the probe finds the limit still there, over with the first success."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.cooldown import FIRST, LONGEST, MOST_MODELS, Cooldown, Rests


def test_it_starts_rested() -> None:
    """Who hit nothing may be asked, and nothing is to be found out."""
    cooldown = Cooldown()
    assert cooldown.remaining(0.0) == 0.0
    assert not cooldown.on_probation
    assert cooldown.stage(asked=0.0) == "fresh"


def test_each_rest_is_twice_the_one_before() -> None:
    """A limit that the probe finds still there is given more time."""
    cooldown, now, rests = Cooldown(), 100.0, []
    for _ in range(4):
        rests.append(cooldown.hit(now, asked=now))
        now += rests[-1]
        assert cooldown.on_probation
    assert rests == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST]


def test_a_burst_is_one_hit_however_late_its_answers_come() -> None:
    """Ten questions asked together make one rest, also where some are refused when it is over."""
    cooldown = Cooldown()
    assert cooldown.hit(5.0, asked=0.0) == FIRST
    assert [cooldown.hit(6.0, asked=0.0) for _ in range(10)] == [FIRST - 1.0] * 10
    late = [cooldown.hit(now, asked=4.0) for now in (40.0, 120.0, 600.0)]
    assert late == [0.0] * 3
    assert cooldown.stage(asked=4.0) == "old"
    assert cooldown.hit(601.0, asked=600.0) == 2 * FIRST


def test_what_upstream_asks_for_is_kept() -> None:
    """A Retry-After counts instead of our own guess, also when it comes during a rest."""
    cooldown = Cooldown()
    assert cooldown.hit(0.0, asked=0.0, retry_after=5.0) == 5.0
    assert cooldown.remaining(3.0) == 2.0
    assert cooldown.hit(3.0, asked=0.0, retry_after=60.0) == 60.0


def test_a_success_ends_it() -> None:
    """After a turn that was answered the next hit starts small again."""
    cooldown = Cooldown()
    cooldown.hit(0.0, asked=0.0)
    assert cooldown.succeeded(asked=FIRST + 1)
    assert not cooldown.on_probation
    assert cooldown.hit(1_000.0, asked=1_000.0) == FIRST


def test_a_success_from_before_the_rest_was_over_says_nothing() -> None:
    """An answer that was under way when the limit was hit ends neither the rest nor its growth."""
    cooldown = Cooldown()
    cooldown.hit(10.0, asked=10.0)
    assert not cooldown.succeeded(asked=10.0)
    assert cooldown.remaining(10.0) == FIRST
    assert cooldown.hit(10.0 + FIRST, asked=10.0 + FIRST) == 2 * FIRST


@given(st.lists(st.tuples(st.integers(0, 1_000), st.none() | st.integers(-10, 1_000_000)), max_size=30))
def test_no_rest_is_longer_than_the_longest(hits: list[tuple[int, int | None]]) -> None:
    """Whatever upstream asks for and however often the limit is hit, the instance is tried again."""
    cooldown, now = Cooldown(), 0.0
    for later, retry_after in hits:
        now += later
        assert 0.0 < cooldown.hit(now, asked=now, retry_after=retry_after) <= LONGEST
        assert cooldown.remaining(now) <= LONGEST
        assert cooldown.remaining(now + LONGEST) == 0.0


# --- by model --------------------------------------------------------------------------------------------------------


def test_a_model_rests_alone() -> None:
    """What one model's plan does not cover keeps nobody from the others."""
    rests = Rests()
    rests.hit("qwen", 0.0, asked=0.0)
    assert rests.remaining("qwen", 10.0) == FIRST - 10
    assert (rests.remaining("kimi", 10.0), rests.remaining("", 10.0)) == (0.0, 0.0)
    assert rests.under_rest(10.0) == {"qwen": FIRST - 10}


def test_all_of_it_rests_with_each_model() -> None:
    """A rest of the whole account is every model's, and the longer one counts."""
    rests = Rests()
    rests.hit("qwen", 0.0, asked=0.0)
    rests.hit("", 10.0, asked=10.0)
    assert rests.remaining("qwen", 20.0) == rests.remaining("kimi", 20.0) == FIRST - 10
    assert rests.next_end(20.0) == FIRST
    assert rests.next_end(FIRST) == FIRST + 10
    assert rests.next_end(FIRST + 10) == math.inf


def test_stage_is_that_of_the_whole_account() -> None:
    """A model that rests by itself makes no question about the account an old one, or a probe."""
    rests = Rests()
    rests.hit("qwen", 0.0, asked=0.0)
    assert rests.stage(asked=1.0) == "fresh"
    rests.hit("", 10.0, asked=10.0)
    assert [rests.stage(asked=10.0 + later) for later in (1.0, FIRST)] == ["old", "probe"]


def test_one_answer_ends_every_probation_it_speaks_for() -> None:
    """A question to a rested model of a rested account is the probe of both."""
    rests = Rests()
    rests.hit("qwen", 0.0, asked=0.0)
    rests.hit("", 0.0, asked=0.0)
    assert rests.probations("qwen") == [("", FIRST), ("qwen", FIRST)]
    assert rests.probations("kimi") == [("", FIRST)]
    assert rests.succeeded("qwen", asked=FIRST)
    assert rests.probations("qwen") == []
    assert not rests.succeeded("qwen", asked=FIRST)


def test_models_are_remembered_in_a_bounded_number() -> None:
    """Whoever rested first is forgotten where there are more than any account has."""
    rests = Rests()
    for number in range(MOST_MODELS + 1):
        rests.hit(f"model-{number}", float(number), asked=float(number))
    assert rests.remaining("model-0", 1.0) == 0.0
    assert len(rests.under_rest(1.0)) == MOST_MODELS
    assert f"models={MOST_MODELS}" in repr(rests)
