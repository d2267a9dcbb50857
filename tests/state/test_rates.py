"""Limits that change with the keys: what did not change goes on counting."""

from __future__ import annotations

from lingma_trio.state.rates import Limits
from lingma_trio.state.rates_memory import LocalDues


def left(limits: Limits) -> dict[str, int]:
    return {kind: allowance.remaining for kind, allowance in limits.allowances(0.0)}


async def test_only_a_changed_limit_starts_anew() -> None:
    """Of two limits one is written anew, so that one is whole again; a limit that is taken away bounds nobody."""
    limits = Limits("ann", requests=5, tokens=100)
    dues = LocalDues(limits)
    assert (await dues.admit(0.0), dues.charge(10, 0.0)) == (0.0, 0.0)
    limits.renew(requests=5, tokens=50, places=2)
    assert left(limits) == {"requests": 4, "tokens": 50}
    assert limits.places == 2
    limits.renew(requests=0, tokens=50, places=0)
    assert left(limits) == {"tokens": 50}
