"""The simulated clock: what it waits for, and what it goes on to."""

from __future__ import annotations

import random
import time

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.threads import WORK
from tests.simnet.clock import agenda_of_this_run
from tests.simnet.network import Network
from tests.simnet.seeds import run_seeded


def test_time_goes_on_to_whatever_is_next_and_no_further() -> None:
    """Deadlines and what stands in the agenda come in their order, each at its time, and nobody waits for that."""

    async def scene(chance: random.Random) -> list[tuple[str, float]]:
        del chance
        seen: list[tuple[str, float]] = []
        agenda = agenda_of_this_run()
        for when in (3.0, 1.0, 5000.0):
            agenda.at(when, lambda: seen.append(("due", trio.current_time())))
        for seconds in (2.0, 2.0, 10_000.0):
            await trio.sleep(seconds)
            seen.append(("slept", trio.current_time()))
        return seen

    began = time.monotonic()
    assert run_seeded(1, scene) == [
        ("due", 1.0),
        ("slept", 2.0),
        ("due", 3.0),
        ("slept", 4.0),
        ("due", 5000.0),
        ("slept", 10_004.0),
    ]
    assert time.monotonic() - began < 60


def test_what_is_due_may_wake_tasks_and_ask_for_more() -> None:
    """A task that is woken goes on at that time, before anything else that is later."""

    async def scene(chance: random.Random) -> list[float]:
        del chance
        agenda, woken, seen = agenda_of_this_run(), trio.Event(), []

        def again() -> None:
            seen.append(trio.current_time())
            agenda.at(seen[-1] + 1, woken.set)

        agenda.at(1.0, again)
        agenda.at(9.0, lambda: seen.append(-1.0))
        await woken.wait()
        return [*seen, trio.current_time()]

    assert run_seeded(1, scene) == [1.0, 2.0]


def test_no_time_passes_while_a_thread_is_at_work() -> None:
    """Whoever waits for a thread with a deadline is not late because everybody else sleeps."""

    async def scene(chance: random.Random) -> float:
        del chance
        with trio.fail_after(0.001):
            await WORK.run(time.sleep, 0.05)
        return trio.current_time()

    assert run_seeded(1, scene) == 0.0


def test_a_network_on_another_clock_says_what_it_wants() -> None:
    """It would carry nothing: its agenda has to be given, and run."""

    async def scene(chance: random.Random) -> None:
        with pytest.raises(TypeError, match="has no agenda"):
            Network(chance)
        await trio.lowlevel.checkpoint()

    run_seeded(1, scene, lambda: MockClock(autojump_threshold=0))
