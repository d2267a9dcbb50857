"""The scenarios of the cancellation sweep, with the order of tasks and the step at which they end drawn by a seed.

The sweep tries each step in one order of tasks; here both change.
"""

from __future__ import annotations

import random
from functools import partial

import pytest
from trio.testing import MockClock

from tests.agent_sweep import open_agent_world
from tests.simnet.seeds import chosen_seeds, try_seeds
from tests.sweep import open_world, running_tasks
from tests.test_cancellation_sweep import SCENARIOS, HowItEnds, check_traces, check_untouched, run_once

pytestmark = pytest.mark.slow

MOST_STEPS = 250  # of any scenario; one that is not ended before it is over ends by itself
RUNS = 5  # in one world, whose traces would add up
WAYS: tuple[HowItEnds, ...] = ("cancelled", "client leaves")
WORLDS = {"chat": open_world, "acp": open_agent_world}


async def scene(chance: random.Random, *, dialect: str) -> None:
    """Ask some requests one after the other, each ended before a step of its own."""
    async with WORLDS[dialect]() as world:
        before = running_tasks()
        for _ in range(RUNS):
            name = chance.choice(sorted(SCENARIOS))
            if dialect == "acp" and name == "session that is replaced":
                continue  # an agent answers in the session that it was asked in
            scenario = SCENARIOS[name]
            world.prepare(scenario)
            tripwire, client = await run_once(world, scenario, chance.randint(1, MOST_STEPS), chance.choice(WAYS))
            if tripwire.at is None:
                check_untouched(world, scenario, client)
            check_traces(world, client)
            assert running_tasks() == before


@pytest.mark.parametrize("dialect", WORLDS)
def test_request_ended_at_any_step_in_any_order_leaves_no_trace(dialect: str) -> None:
    """However tasks take turns: no slot, waiter, call or task, no write to the cache, and upstream is stopped."""
    clock = partial(MockClock, autojump_threshold=0)
    try_seeds(chosen_seeds(40), partial(scene, dialect=dialect), "tests/simnet/test_sweep.py", clock)
