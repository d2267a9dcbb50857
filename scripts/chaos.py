"""Plays chaos with real processes, and prints what clients saw of it.

Called by `scripts/chaos`, which says what its arguments are. Ends with 1 where something was found that must not be.
"""

from __future__ import annotations

import argparse
import random
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from tests.chaos.play import Plan, play, report


async def main(arguments: argparse.Namespace) -> int:
    """Play it; returns the exit status."""
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    plan = Plan(arguments.seconds or arguments.minutes * 60, arguments.clients, seed, arguments.dialect)
    print(f"seed {seed}, {plan.clients} clients, {plan.seconds:g} s", flush=True)
    with TemporaryDirectory(prefix="lingma-chaos-", ignore_cleanup_errors=True) as made:
        played = await play(arguments.keep or Path(made), plan, partial(print, flush=True), alone=arguments.alone)
    print(report(played))
    return int(bool(played.findings))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--dialect", choices=("chat", "session"), default="chat")
    parser.add_argument("--keep", type=lambda place: Path(place).absolute())
    parser.add_argument("--alone", action="store_true")
    sys.exit(trio.run(main, parser.parse_args()))
