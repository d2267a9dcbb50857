"""What one request holds is counted as it comes, and given back once."""

from __future__ import annotations

import pytest

from lingma_trio.errors import BytesExceeded
from lingma_trio.http.holding import RETRY_AFTER, Holding
from lingma_trio.policy.byte_budget import ByteBudget


def test_pieces_add_up_and_are_given_back_once() -> None:
    """However often it is released, a holding gives back what it took."""
    budget = ByteBudget(100)
    other, holding = Holding(budget, "bob"), Holding(budget, "ann")
    other.take(10)
    holding.take(20)
    holding.take(15)
    assert (holding.size, budget.held) == (35, 45)
    holding.release()
    holding.release()
    assert (holding.size, budget.held) == (0, 10)


def test_what_does_not_fit_says_when_to_come_again() -> None:
    """The refusal is a 503 that names the wait and the setting; what was held before stays held."""
    budget = ByteBudget(100)
    holding = Holding(budget, "ann")
    holding.take(50)
    with pytest.raises(BytesExceeded, match="MAX_BYTES_IN_FLIGHT") as refused:
        holding.take(1)
    assert (refused.value.status, refused.value.retry_after) == (503, RETRY_AFTER)
    assert holding.size == budget.held == 50
