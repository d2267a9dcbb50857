"""Gateways that reach agents over a network which fails, in every order that a seed draws."""

from __future__ import annotations

import random

import pytest

from tests.simnet.faults import cut, die, fail_over, freeze_store, kill_lingma, sever
from tests.simnet.seeds import chosen_seeds, try_seeds
from tests.simnet.world import open_world, play

pytestmark = pytest.mark.slow

FAULTS = (kill_lingma, die, cut, sever, fail_over, freeze_store)


def test_every_answer_of_an_agent_is_right_or_visibly_failed() -> None:
    """Whatever dies or is cut whenever: answers hold their conversation, and agents keep nothing of who is gone."""
    hits = 0

    async def scene(chance: random.Random) -> None:
        nonlocal hits
        async with open_world(chance) as world:
            await world.open_fleet(gateways=2, agents=2, lingmas=1)
            await play(world, *FAULTS, conversations=4, turns=4, seconds=15)
            world.check()
            hits += sum(conversation.hits for conversation in world.conversations)

    seeds = chosen_seeds(25)
    try_seeds(seeds, scene, "tests/simnet/test_fleet.py")
    assert hits > len(seeds), "most of them go on where they were"
