"""What a failover of the store may take, on a machine that has other things to do as well."""

from __future__ import annotations

import time

import pytest
import trio
from trio.testing import MockClock

from tests.scaled.failovers import TICK, WRITES_AGAIN, Again


@pytest.mark.parametrize(
    ("others", "allowed"), [(0.0, WRITES_AGAIN), (1.5, WRITES_AGAIN + 1.5), (60.0, 2 * WRITES_AGAIN)]
)
def test_no_machine_is_so_busy_that_everything_is_in_time(others: float, allowed: float) -> None:
    """What others took counts for as much as was promised, and no more."""
    assert Again(others=others).allowed == allowed


async def test_machine_that_leaves_the_program_alone_is_late_in_nothing(autojump_clock: MockClock) -> None:
    """Its own pauses are no lateness."""
    again = Again()
    with trio.move_on_after(10):
        await again.look_at_the_machine()
    assert again.late == 0


async def test_what_others_took_is_seen() -> None:
    """A program that is kept from the processor for a while counts that."""
    again = Again()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(again.look_at_the_machine)
        await trio.sleep(TICK)
        time.sleep(20 * TICK)  # noqa: ASYNC251 - which holds the loop as another program does
        await trio.sleep(TICK)
        nursery.cancel_scope.cancel("seen")
    assert again.late >= 15 * TICK
