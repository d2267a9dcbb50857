"""The dues of a request where one gateway serves alone."""

from __future__ import annotations

import pytest

from lingma_trio.state.rates import Limits
from lingma_trio.state.rates_memory import LocalDues


async def test_requests_of_one_key_share_its_limits() -> None:
    """Each request has dues of its own, and what one used the next one finds used."""
    limits = Limits("ann", requests=2, tokens=60)
    assert [await LocalDues(limits).admit(0.0) for _ in range(3)] == [0.0, 0.0, pytest.approx(30)]
    dues = LocalDues(limits)
    assert dues.charge(40, 0.0) == 0.0
    assert dues.charge(40, 0.0) == pytest.approx(20)
    dues.forgive(40)
    dues.owe(90, 0.0)
    assert dues.charge(10, 0.0) == pytest.approx(40)


async def test_nothing_is_counted_where_nothing_is_limited() -> None:
    """Whatever comes is let in, and nothing is owed afterwards."""
    limits = Limits("ann")
    dues = LocalDues(limits)
    for _ in range(100):
        assert (await dues.admit(0.0), dues.charge(10**9, 0.0)) == (0.0, 0.0)
        dues.owe(10**9, 0.0)
        dues.forgive(10**9)
    assert not list(limits.allowances(0.0))
