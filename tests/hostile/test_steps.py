"""The measure itself: it sees a step that holds the loop, and no wait."""

from __future__ import annotations

import time

import trio
import trio.testing

from tests.hostile.steps import processor_time, watched_steps


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def test_a_step_that_holds_the_loop_is_seen_with_its_task() -> None:
    """Promise: the longest step is measured and named."""

    async def hold() -> None:
        await trio.lowlevel.checkpoint()
        burn(0.05)

    with watched_steps() as steps:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold, name="the one that holds")
            await trio.lowlevel.checkpoint()
    assert steps.longest >= 0.05
    assert steps.task == "the one that holds"


async def test_waiting_costs_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """Promise: a task that sleeps holds nobody up."""
    with watched_steps() as steps:
        await trio.sleep(60)
    assert steps.longest < 0.05


def test_a_block_of_plain_code_is_measured() -> None:
    """Promise: processor time of a block is what it burned."""
    with processor_time() as spent:
        burn(0.02)
    assert spent.seconds >= 0.02
