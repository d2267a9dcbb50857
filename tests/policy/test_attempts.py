"""Failed tries: a few are forgiven, then there is a wait, for one peer and for all of them together."""

from __future__ import annotations

from lingma_trio.policy.attempts import LIMIT, LIMIT_OF_ALL, PEERS_KEPT, WINDOW, Attempts


def test_a_few_failures_are_forgiven() -> None:
    """The last failure allowed begins the wait, which is until the first of them is forgotten."""
    attempts = Attempts()
    for second in range(LIMIT):
        assert attempts.wait("peer", now=second) == 0
        attempts.failed("peer", now=second)
    assert attempts.wait("peer", now=LIMIT) == WINDOW - LIMIT
    assert attempts.wait("peer", now=WINDOW) == 0


def test_other_peers_do_not_wait() -> None:
    """Nobody can lock another one out by trying a few times."""
    attempts = Attempts()
    for _ in range(LIMIT):
        attempts.failed("peer", now=0)
    assert attempts.wait("other", now=0) == 0


def test_success_forgives() -> None:
    """Who gets in after all starts anew."""
    attempts = Attempts()
    for _ in range(LIMIT):
        attempts.failed("peer", now=0)
    attempts.succeeded("peer")
    assert attempts.wait("peer", now=0) == 0


def test_many_peers_are_no_way_round() -> None:
    """Failures of all together are bounded, too."""
    attempts = Attempts()
    for number in range(LIMIT_OF_ALL):
        attempts.failed(f"peer-{number}", now=0)
    assert attempts.wait("somebody else", now=1) == WINDOW - 1
    assert attempts.wait("somebody else", now=WINDOW) == 0


def test_memory_is_bounded() -> None:
    """However many peers try, the table does not grow beyond its bound."""
    attempts = Attempts()
    for number in range(2 * PEERS_KEPT):
        attempts.failed(f"peer-{number}", now=0)
    assert repr(attempts) == f"<Attempts peers={PEERS_KEPT} failures={LIMIT_OF_ALL}>"
