"""The retry budget: a few in any case, a share of what succeeds, each tenant its own, and nothing kept for ever."""

from __future__ import annotations

from lingma_trio.policy.retry_budget import FLOOR, SHARE, WINDOW, RetryBudget


def spend_all(budget: RetryBudget, tenant: str = "a", now: float = 0.0) -> int:
    """Ask again as often as may be; returns how often that was."""
    spent = 0
    while budget.has(tenant, now):
        budget.spend(tenant, now)
        spent += 1
    return spent


def test_a_few_are_there_in_any_case() -> None:
    """Where nothing succeeds the floor is all there is, until it has left the window."""
    budget = RetryBudget()
    assert spend_all(budget) == FLOOR
    assert spend_all(budget, now=WINDOW - 0.1) == 0
    assert spend_all(budget, now=WINDOW) == FLOOR


def test_successes_bring_their_share() -> None:
    """Of many answers a share may be asked for again, as long as they are of the window."""
    budget = RetryBudget()
    for _ in range(100):
        budget.succeeded("a", 0.0)
    assert spend_all(budget) == FLOOR + SHARE * 100
    assert spend_all(budget, now=WINDOW) == FLOOR


def test_everybody_has_their_own() -> None:
    """What one tenant spends takes nothing from another, and its successes bring another nothing."""
    budget = RetryBudget()
    for _ in range(100):
        budget.succeeded("a", 0.0)
    spend_all(budget, "a")
    assert spend_all(budget, "b") == FLOOR


def test_nothing_is_kept_of_a_quiet_tenant() -> None:
    """However many tenants there were, only those of the last window take up room."""
    budget = RetryBudget()
    for number in range(1000):
        budget.succeeded(str(number), number * WINDOW)
    assert repr(budget) == "<RetryBudget tenants=1>"
    for number in range(1000, 2000):
        budget.succeeded("steady", number * WINDOW)
        budget.succeeded(str(number), number * WINDOW)
    assert repr(budget) == "<RetryBudget tenants=2>"
