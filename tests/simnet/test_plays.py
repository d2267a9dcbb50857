"""Every play, in every dialect, while anything is wrong with who answers, cut before any step, in any order of tasks.

The seeds go round all that can be combined: one for each at first, with a step and an order of its own, and so on.
Before that every play goes as it should, since then the most can be said of what has to be. Each step of each that can
be combined is tried by `SIMNET_SEEDS` up to the number of them, in an hour of two processors: each that the gateway
takes, since to be cut before a step of what answers is nearly to be cut before the gateway's next one.
"""

from __future__ import annotations

import random
from dataclasses import fields
from functools import partial

import pytest

from lingma_trio.simulator.acp.knobs import AcpKnobs
from lingma_trio.simulator.knobs import Knobs
from tests.simnet.playing import play
from tests.simnet.plays import DIALECTS, PLAYS, UNTOUCHED, Cut, Dialect, How
from tests.simnet.seeds import chosen_seeds, run_seeded, try_seeds
from tests.simnet.wrongs import EXAMPLES, LEFT_OUT, RIGHT, TOGETHER, WRONGS, Wrong

pytestmark = pytest.mark.slow

HERE = "tests/simnet/test_plays.py"
MOST_STEPS = 170  # of nearly all plays; one that is over by then was not cut

ALL: list[tuple[Dialect, str, Wrong]] = [
    (dialect, name, wrong) for dialect in DIALECTS for wrong in WRONGS[dialect] for name in PLAYS
]
random.Random(0).shuffle(ALL)


def draw_cut(chance: random.Random) -> Cut:
    """Where a request ends, and how."""
    return Cut(chance.randint(1, MOST_STEPS), chance.choice(["cancelled", "client leaves"]))


async def combined(chance: random.Random, seed: int, cut: Cut) -> int:
    """The play of that number among all that can be combined, cut; returns how many steps it took."""
    dialect, name, wrong = ALL[seed % len(ALL)]
    try:
        return await play(chance, name, dialect, wrong, cut)
    except BaseException as fault:
        fault.add_note(f"{name!r} in {dialect}, where {wrong} is wrong; {cut}")
        raise


async def order(chance: random.Random) -> None:
    """Any play in which nothing is wrong with who answers."""
    await play(chance, chance.choice(sorted(PLAYS)), chance.choice(DIALECTS), RIGHT, UNTOUCHED)


def test_every_play_ends_as_it_should_in_any_order_of_tasks() -> None:
    """Whoever goes first: answers hold their conversation, in the session that has it, and nothing is left."""
    try_seeds(chosen_seeds(40), order, f"{HERE} -k any_order")


def test_every_play_cut_anywhere_under_any_fault_leaves_nothing() -> None:
    """No slot, turn, byte, registration or task; upstream stops; the session has nothing of a question that was cut."""

    async def drawn(chance: random.Random) -> None:
        await combined(chance, seed, UNTOUCHED if chance.random() < 0.1 else draw_cut(chance))

    for seed in chosen_seeds(200):
        try_seeds([seed], drawn, f"{HERE} -k any_fault")


def test_every_play_cut_before_each_step_under_any_fault_leaves_nothing() -> None:
    """One seed is all steps of the gateway in one play while one thing is wrong, in one order of tasks."""
    for seed in chosen_seeds(2):
        steps = run_seeded(seed, partial(combined, seed=seed, cut=Cut(0, "cancelled", of="gateway")))
        for step in range(1, steps + 1):
            how: How = "cancelled" if (step + seed // len(ALL)) % 2 else "client leaves"
            cut = Cut(step, how, of="gateway")
            try_seeds([seed], partial(combined, seed=seed, cut=cut), f"{HERE} -k each_step")


@pytest.mark.parametrize("knobs", [Knobs, AcpKnobs])
def test_every_knob_is_crossed_or_said_not_to_be(knobs: type[Knobs | AcpKnobs]) -> None:
    """A new knob is turned in every play, or has a reason why it is not."""
    turned = {word.partition("=")[0] for wrong in WRONGS[_dialect(knobs)] for word in (*wrong.process, *wrong.answer)}
    assert {knob.name for knob in fields(knobs)} == turned | (LEFT_OUT.keys() & {knob.name for knob in fields(knobs)})


def test_no_knob_is_named_that_is_none() -> None:
    """What was renamed is not left out by its old name."""
    names = {knob.name for knobs in (Knobs, AcpKnobs) for knob in fields(knobs)}
    assert not {*LEFT_OUT, *EXAMPLES, *TOGETHER} - names
    assert not EXAMPLES.keys() & LEFT_OUT.keys()


def _dialect(knobs: type[Knobs | AcpKnobs]) -> str:
    return "acp" if knobs is AcpKnobs else "chat"
