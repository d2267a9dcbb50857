"""Failed tries: a few are forgiven, then there is a wait, for one peer's failures and for all of them together."""

from __future__ import annotations

from lingma_trio.policy.attempts import LIMIT, LIMIT_OF_ALL, PEERS_KEPT, WINDOW, Attempts


def test_a_few_failures_are_forgiven() -> None:
    """The first failure beyond those waits until the oldest of them is forgotten."""
    attempts = Attempts()
    assert [attempts.failed("peer", now=second) for second in range(LIMIT)] == [0] * LIMIT
    assert attempts.failed("peer", now=LIMIT) == WINDOW - LIMIT


def test_who_goes_on_waits_on() -> None:
    """A failure during the wait counts like any other, and one after a whole quiet window is forgiven."""
    attempts = Attempts()
    for _ in range(2 * LIMIT):
        attempts.failed("peer", now=10)
    assert attempts.failed("peer", now=10) == WINDOW
    assert attempts.failed("peer", now=10 + WINDOW) == 0


def test_other_peers_do_not_wait() -> None:
    """A few failures of one are nobody else's."""
    attempts = Attempts()
    for _ in range(LIMIT):
        attempts.failed("peer", now=0)
    assert attempts.failed("other", now=0) == 0


def test_success_forgives() -> None:
    """Who gets in after all starts anew."""
    attempts = Attempts()
    for _ in range(LIMIT):
        attempts.failed("peer", now=0)
    attempts.succeeded("peer")
    assert attempts.failed("peer", now=0) == 0


def test_many_peers_are_no_way_round() -> None:
    """Failures of all together are bounded, too."""
    attempts = Attempts()
    for number in range(LIMIT_OF_ALL):
        assert attempts.failed(f"peer-{number}", now=0) == 0
    assert attempts.failed("somebody else", now=1) == WINDOW - 1


def test_memory_is_bounded() -> None:
    """However many peers try, the table does not grow beyond its bound."""
    attempts = Attempts()
    for number in range(2 * PEERS_KEPT):
        attempts.failed(f"peer-{number}", now=0)
    assert repr(attempts) == f"<Attempts peers={PEERS_KEPT} failures={LIMIT_OF_ALL}>"


def test_longest_silent_is_forgotten() -> None:
    """Of too many peers the one whose last failure is longest ago, and not the one that goes on."""
    attempts = Attempts()
    for number in range(PEERS_KEPT):
        attempts.failed(f"peer-{number}", now=0)
    attempts.failed("peer-0", now=1)
    attempts.failed("one more", now=2)
    assert [attempts.knows(f"peer-{number}") for number in range(3)] == [True, False, True]
    attempts.succeeded("nobody")
    assert not attempts.knows("nobody")
