"""Runs under a seed: which task goes first, how long a packet takes and what fails are all drawn from it.

Hypothesis, which all our tests load, has Trio put each batch of tasks into an order of its generator's and not of the
tasks' addresses; so one seed is one run, at this commit and on this Python.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import trio
from hypothesis.internal.entropy import deterministic_PRNG
from trio.testing import MockClock

T = TypeVar("T")

SEEDS = "SIMNET_SEEDS"
"""The variable that says which seeds are tried: `10000` for so many from 0 on, `17,` for one, `17,23` for some."""


def chosen_seeds(default: int) -> list[int]:
    """Which seeds a test tries: `default` of them from 0 on, unless SIMNET_SEEDS says otherwise."""
    wanted = os.environ.get(SEEDS, "")
    if "," in wanted:
        return [int(each) for each in wanted.split(",") if each.strip()]
    return list(range(int(wanted or default)))


def run_seeded(seed: int, scene: Callable[[random.Random], Awaitable[T]]) -> T:
    """Run a scene under a clock that jumps to whatever is next; all chance in it comes from the seed."""
    with deterministic_PRNG(seed):
        return trio.run(scene, random.Random(seed), clock=MockClock(autojump_threshold=0))


def try_seeds(seeds: Iterable[int], scene: Callable[[random.Random], Awaitable[object]], name: str) -> None:
    """Run a scene under one seed after the other. The first that fails is named in a note of what it raised."""
    for seed in seeds:
        try:
            run_seeded(seed, scene)
        except BaseException as fault:
            fault.add_note(f"seed {seed}; again with: SIMNET_SEEDS={seed}, .venv/bin/python -m pytest {name}")
            raise
