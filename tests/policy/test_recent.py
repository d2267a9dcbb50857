"""The memory of requests: bounded, newest first, and failures outlast the rest."""

from __future__ import annotations

from lingma_trio.policy.recent import RecentRequests, RequestLine


def line(number: int, outcome: str = "ok") -> RequestLine:
    return RequestLine(f"req_{number}", 1.0, "chat", "org_auto", "lingma-0", "hit", "", 1, 2, 0.5, outcome)


def test_newest_first_and_no_more_than_are_kept() -> None:
    """Whoever looks sees what happened last."""
    recent = RecentRequests(kept=3)
    for number in range(5):
        recent.add(line(number))
    assert [each.id for each in recent.lines] == ["req_4", "req_3", "req_2"]
    assert recent.failures == ()


def test_failures_outlast_a_busy_hour() -> None:
    """Successes do not push failures out, and failures are bounded by themselves."""
    recent = RecentRequests(kept=2, failures_kept=2)
    for number in range(3):
        recent.add(line(number, "upstream_lost"))
    for number in range(3, 9):
        recent.add(line(number))
    assert [each.id for each in recent.lines] == ["req_8", "req_7"]
    assert [each.id for each in recent.failures] == ["req_2", "req_1"]


def test_client_that_left_is_no_failure() -> None:
    """What a client did by itself is nobody's fault."""
    assert [line(0, outcome).failed for outcome in ("ok", "cancelled", "cut_off", "queue_full")] == [
        False,
        False,
        True,
        True,
    ]
