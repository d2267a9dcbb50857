"""Bytes under way: what one tenant may have, and what it leaves the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.byte_budget import ByteBudget


def fill(budget: ByteBudget, tenant: str) -> int:
    """Take byte after byte until there is no more; returns how many."""
    before = budget.held_by(tenant)
    while budget.take(tenant, 1):
        pass
    return budget.held_by(tenant) - before


def test_one_tenant_alone_has_half() -> None:
    """Whoever is alone has half of all, and the rest stays free."""
    budget = ByteBudget(800)
    assert fill(budget, "ann") == 400
    assert budget.held == 400


def test_whoever_comes_next_finds_something() -> None:
    """However much the others hold, there is room for one more."""
    budget = ByteBudget(800)
    assert [fill(budget, name) for name in ("ann", "bob", "cid", "dan")] == [400, 200, 100, 50]


def test_largest_request_fits_beside_a_tenant_that_holds_all_it_can() -> None:
    """With four times the largest request as the limit nobody keeps another from one of that size."""
    budget = ByteBudget(4 * 20)
    fill(budget, "ann")
    assert budget.take("bob", 20)


def test_what_does_not_fit_counts_nothing() -> None:
    """A refusal leaves everything as it was, and does not name the tenant."""
    budget = ByteBudget(100)
    assert not budget.take("ann", 51)
    assert (budget.held, budget.held_by("ann")) == (0, 0)
    assert repr(budget) == "<ByteBudget 0 of 100, tenants=0>"


def test_what_is_given_back_can_be_taken_again() -> None:
    """Nothing is kept of a tenant that holds nothing."""
    budget = ByteBudget(100)
    assert budget.take("ann", 50)
    assert not budget.take("ann", 1)
    budget.give_back("ann", 50)
    assert repr(budget) == "<ByteBudget 0 of 100, tenants=0>"
    assert budget.take("ann", 50)


def test_no_bytes_always_fit() -> None:
    """An empty piece of a body is never refused, not even where there is no room at all."""
    budget = ByteBudget(0)
    assert budget.take("ann", 0)
    assert not budget.take("ann", 1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-200, 200))))
def test_nobody_holds_more_than_was_free(steps: list[tuple[str, int]]) -> None:
    """Whatever comes and goes: the sum is within the limit, and what was taken left as much free."""
    budget = ByteBudget(1000)
    held = dict.fromkeys("abc", 0)
    for tenant, amount in steps:
        if amount < 0:
            back = min(-amount, held[tenant])
            budget.give_back(tenant, back)
            held[tenant] -= back
        elif budget.take(tenant, amount):
            held[tenant] += amount
            assert held[tenant] <= 1000 - sum(held.values())
        assert budget.held == sum(held.values()) <= 1000
        assert all(budget.held_by(name) == size for name, size in held.items())
