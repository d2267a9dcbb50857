"""The operators of one gateway alone: how many of them there may be."""

from __future__ import annotations

from trio.testing import MockClock

from lingma_trio.state.operators import LIFETIME
from lingma_trio.state.operators_memory import MOST, MemoryOperators


async def test_one_session_more_signs_the_oldest_out(autojump_clock: MockClock) -> None:
    """And no other; those whose time is over take no room."""
    operators = MemoryOperators()
    names = [await operators.begin() for _ in range(MOST)]
    assert all([await operators.is_open(name) for name in names])
    names.append(await operators.begin())
    assert [await operators.is_open(name) for name in names] == [False] + [True] * MOST
    autojump_clock.jump(LIFETIME)
    assert not any([await operators.is_open(name) for name in names])
