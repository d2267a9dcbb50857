"""What follows an attempt: mended while nothing was shown, where it may help, within what the budget has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.errors import (
    ChannelLost,
    ContentFiltered,
    EmptyAnswer,
    GatewayError,
    QuotaExceeded,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from lingma_trio.policy.sequel import MOST_MOVES, MOST_RETURNS, Ending, Verdict, what_follows

FAILURES = [ChannelLost, ContentFiltered, EmptyAnswer, QuotaExceeded, UpstreamError, UpstreamRejected, UpstreamTimeout]
endings = st.builds(
    Ending,
    failure=st.sampled_from([None, *(kind("why") for kind in FAILURES)]),
    verdict=st.sampled_from(["move", "queue_again", "stands"]),
    **{
        name: st.booleans()
        for name in ("shown", "continued", "replaced", "spurned", "complaint", "kept", "alive", "affordable")
    },
    moves=st.integers(0, MOST_MOVES),
    returns=st.integers(0, MOST_RETURNS),
)


@given(endings)
def test_what_was_shown_is_never_asked_for_again(ending: Ending) -> None:
    """Once the client has seen something an attempt is delivered or fails, unless the answer itself is of no use."""
    ending = replace(ending, shown=True, complaint=False)
    assert what_follows(ending) == ("deliver" if ending.failure is None else "fail")


@given(endings)
def test_nothing_is_moved_for_ever(ending: Ending) -> None:
    """A question that has been moved and queued again as often as may be is told what it failed of, or asked afresh."""
    ending = replace(ending, moves=MOST_MOVES, returns=MOST_RETURNS, complaint=False)
    assert what_follows(ending) in {"deliver", "fail", "afresh"}


@pytest.mark.parametrize(("failure", "most"), [(ChannelLost, MOST_MOVES), (UpstreamTimeout, 1)])
def test_question_is_moved_so_often(failure: type[GatewayError], most: int) -> None:
    """As often as may be; one that waited in vain for a first word waits a second time at the most."""
    moved = [what_follows(Ending(failure("why"), "move", moves=moves)) == "move" for moves in range(MOST_MOVES + 1)]
    assert moved == [moves < most for moves in range(MOST_MOVES + 1)]


@given(endings)
def test_without_a_budget_nothing_is_moved(ending: Ending) -> None:
    """What the budget does not pay for stands; going back for want of room is free, since it adds no load."""
    assert what_follows(replace(ending, affordable=False)) not in {"move", "ask_again"}


@given(endings)
def test_a_dead_life_is_never_asked_in_its_session(ending: Ending) -> None:
    """A session is known to the life that made it, and to no other."""
    assert what_follows(replace(ending, alive=False)) != "ask_again"


@given(endings)
def test_a_fresh_conversation_is_not_begun_afresh(ending: Ending) -> None:
    """Only a session that was there before can be given up for a fresh one."""
    assert what_follows(replace(ending, continued=False, spurned=False, complaint=False)) != "afresh"


def test_what_is_refused_in_a_session_that_was_opened_ahead_is_asked_in_another() -> None:
    """Upstream may have reclaimed it; what has been shown stands."""
    ending = Ending(UpstreamError("why"), spurned=True)
    assert (what_follows(ending), what_follows(replace(ending, shown=True))) == ("afresh", "fail")


@pytest.mark.parametrize(("verdict", "sequel"), [("move", "move"), ("queue_again", "queue_again"), ("stands", "fail")])
def test_the_instance_s_word_counts(verdict: Verdict, sequel: str) -> None:
    """What the instance says of a failure on it is done while nothing was shown."""
    assert what_follows(Ending(failure=ChannelLost("gone"), verdict=verdict)) == sequel


def test_a_silence_is_waited_for_twice_at_the_most() -> None:
    """The wait for a first word is long, so a third one helps nobody."""
    silence = Ending(failure=UpstreamTimeout("nothing came"), verdict="move")
    assert what_follows(silence) == "move"
    assert what_follows(replace(silence, moves=1)) == "fail"


@pytest.mark.parametrize("failure", [UpstreamError("no"), UpstreamRejected("no"), EmptyAnswer("no")])
def test_a_refused_session_is_given_up(failure: GatewayError) -> None:
    """What may be the session's fault alone is asked afresh, and only what was asked in a session."""
    assert what_follows(Ending(failure=failure, continued=True)) == "afresh"
    assert what_follows(Ending(failure=failure)) == "fail"


def test_a_replaced_session_is_given_up_before_anything_is_shown() -> None:
    """An answer out of another session is one of somebody who remembers nothing."""
    assert what_follows(Ending(continued=True, replaced=True)) == "afresh"
    assert what_follows(Ending(continued=True, replaced=True, shown=True)) == "deliver"


@pytest.mark.parametrize(
    ("kept", "alive", "affordable", "sequel"),
    [
        (True, True, True, "ask_again"),
        (False, True, True, "afresh"),
        (True, False, True, "queue_again"),
        (True, True, False, "fail"),
    ],
)
def test_a_useless_answer_is_asked_for_again(kept: bool, alive: bool, affordable: bool, sequel: str) -> None:
    """In its session where that goes on, else with everything, by anybody where the life is over."""
    ending = Ending(shown=True, complaint=True, kept=kept, alive=alive, affordable=affordable)
    assert what_follows(ending) == sequel
