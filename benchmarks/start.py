"""Measures what the command line costs before it does anything, against an empty Python's start.

Run as `python benchmarks/start.py` in the project's environment. Prints milliseconds of processor time, the best of
several rounds in which all take turns, so that a busy machine slows them alike.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

ROUNDS = 15
PROGRAMS = {
    "empty Python": ("-c", "pass"),
    "--help": ("-m", "lingma_trio", "--help"),
    "--version": ("-m", "lingma_trio", "--version"),
    "init --help": ("-m", "lingma_trio", "init", "--help"),
    "serve --help": ("-m", "lingma_trio", "serve", "--help"),
}
MOST = 8.0
"""What `--help` may cost, in empty starts."""


def cost(arguments: tuple[str, ...]) -> float:
    """Return the milliseconds of processor time that one run takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> int:
    """Print one row per program; the exit status is 1 where `--help` costs too much."""
    best = dict.fromkeys(PROGRAMS, float("inf"))
    for _ in range(ROUNDS):
        for name, arguments in PROGRAMS.items():
            best[name] = min(best[name], cost(arguments))
    empty = best["empty Python"]
    rows = [f"{'program':<16}{'ms':>8}{'ratio':>8}"]
    rows += [f"{name:<16}{spent:>8.1f}{spent / empty:>8.1f}" for name, spent in best.items()]
    sys.stdout.write("\n".join(rows) + "\n")
    return int(best["--help"] > MOST * empty)


if __name__ == "__main__":
    sys.exit(main())
