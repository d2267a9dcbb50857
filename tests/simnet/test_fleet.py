"""Gateways that share a store and reach agents over a network which fails, in every order that a seed draws."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
import trio

from lingma_trio.lingma.acp.sessions import LAST_WORDS, SWEEP
from lingma_trio.state.script import script_text
from tests.simnet.acp import AgentMachine
from tests.simnet.faults import cut, die, fail_over, freeze_store, kill_lingma, lose_store, sever
from tests.simnet.seeds import chosen_seeds, run_seeded, try_seeds
from tests.simnet.world import World, open_world, play

pytestmark = pytest.mark.slow

FAULTS = (kill_lingma, die, die, cut, sever)
STORE_FAULTS = (fail_over, fail_over, fail_over, freeze_store, lose_store)
PASSING = (kill_lingma, cut, sever, freeze_store)
"""Faults after which somebody knows of each session: a gateway that dies, or a store, takes what it knew along."""

TTL = 60.0  # seconds for which a session may be gone on with, where it is played that this is over
SECONDS = 10.0  # in which things fail: while clients talk, mostly

ROOT = Path(__file__).parent.parent.parent


async def scene(chance: random.Random, *, text: Callable[[str], bytes] = script_text) -> World:
    """Two or three gateways, two agents that now and then take one turn at a time, clients that now and then have three
    places together, and everything that may fail.
    """
    async with open_world(chance) as world:
        gateways, most_turns, places = chance.choice([2, 3]), chance.choice([0, 0, 1]), chance.choice([0, 0, 3])
        await world.open_fleet(gateways=gateways, agents=2, lingmas=1, most_turns=most_turns, places=places, text=text)
        await play(world, FAULTS, STORE_FAULTS, conversations=4, turns=4, seconds=SECONDS)
        world.check()
    return world


def test_every_answer_of_a_fleet_is_right_or_visibly_failed() -> None:
    """Whatever dies, is cut or fails over: answers hold their conversation once, nothing is left, everybody goes on."""
    hits = 0

    async def counted(chance: random.Random) -> None:
        nonlocal hits
        world = await scene(chance)
        hits += sum(conversation.hits for conversation in world.conversations)

    seeds = chosen_seeds(12)
    try_seeds(seeds, counted, "tests/simnet/test_fleet.py")
    assert hits > len(seeds), "most of them go on where they were"


def test_agents_keep_no_session_that_nobody_goes_on_with() -> None:
    """Whatever ends, is cut or says nothing for a while: each session is closed, or in the store for all gateways."""

    async def agents(chance: random.Random) -> None:
        async with open_world(chance) as world:
            gateways, most_turns = chance.choice([2, 3]), chance.choice([0, 0, 1])
            await world.open_fleet(gateways=gateways, agents=2, lingmas=1, made=AgentMachine, most_turns=most_turns)
            await play(world, PASSING, conversations=4, turns=4, seconds=SECONDS)
            world.check()
            assert not (left := world.orphans()), left

    try_seeds(chosen_seeds(12), agents, "tests/simnet/test_fleet.py -k agents")


def test_agents_keep_no_session_that_everybody_forgot() -> None:
    """Not those either of which nobody can tell any more, once the time is over in which somebody might go on."""
    forgotten = 0

    async def scene(chance: random.Random) -> None:
        nonlocal forgotten
        async with open_world(chance) as world:
            await world.open_fleet(gateways=2, agents=2, lingmas=1, made=AgentMachine, session_ttl=TTL)
            await play(world, (die, lose_store), conversations=4, turns=4, seconds=SECONDS)
            forgotten += len(world.orphans())
            await trio.sleep(TTL + LAST_WORDS + SWEEP + 1)
            assert not (left := world.orphans()), left

    try_seeds(chosen_seeds(4), scene, "tests/simnet/test_fleet.py -k forgot")
    assert forgotten, "there were some"


def test_a_store_that_believes_what_another_primary_wrote_is_found_out() -> None:
    """The seeds that are played before each change are enough: a session is used twice, and a client sees that."""
    check = b"elseif entry[1] ~= primary then"
    assert script_text("sessions").count(check) == 1

    def believing(name: str) -> bytes:
        return script_text(name).replace(check, b"elseif false then")

    seen = pytest.RaisesExc(AssertionError, match="the session holds")
    with pytest.RaisesGroup(seen, flatten_subgroups=True):
        try_seeds(range(12), partial(scene, text=believing), "tests/simnet/test_fleet.py")


def traced(seed: int) -> str:
    """A digest of everything that happened under a seed."""
    world = run_seeded(seed, scene)
    talks = [(each.name, each.answers, each.failures) for each in world.conversations]
    return sha256(repr((world.network.happened, world.network.carried, talks)).encode()).hexdigest()


def test_a_seed_is_the_same_run_in_any_process() -> None:
    """Neither addresses nor the order of sets, which differ from one process to the next, decide anything."""
    line = "from tests.simnet.test_fleet import traced; print(traced(1))"
    found = {
        subprocess.run(
            [sys.executable, "-c", line],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for number in (1, 2)
    }
    assert found == {traced(1) + "\n"}
