"""A gateway with Lingmas of its own, which are killed while clients talk, in every order that a seed draws."""

from __future__ import annotations

import random

import pytest

from tests.simnet.faults import kill_lingma
from tests.simnet.seeds import chosen_seeds, try_seeds
from tests.simnet.world import open_world, play

pytestmark = pytest.mark.slow


def test_every_answer_is_right_or_visibly_failed() -> None:
    """Whatever dies whenever: answers hold their conversation and nothing else, the rest fails as it may."""
    hits = 0

    async def scene(chance: random.Random) -> None:
        nonlocal hits
        async with open_world(chance) as world:
            await world.open_alone((), ())
            await play(world, [kill_lingma], conversations=4, turns=4, seconds=15)
            world.check()
            hits += sum(conversation.hits for conversation in world.conversations)

    seeds = chosen_seeds(12)
    try_seeds(seeds, scene, "tests/simnet/test_alone.py")
    assert hits > len(seeds), "most of them go on where they were"
