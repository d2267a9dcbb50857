"""Inputs made of others, the same for the same seed: what a short run tries without an instrument for coverage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import Final

MOST_CHANGES: Final = 4
LONGEST_COPY: Final = 64


def mutated(inputs: Sequence[bytes], tokens: Sequence[bytes], *, size: int, seed: int, count: int) -> Iterator[bytes]:
    """So many inputs of at most `size` bytes, each made of one or two of `inputs` with a few changes."""
    random = Random(seed)  # noqa: S311 - no secret

    def once() -> bytes:
        made = bytearray(random.choice(inputs))
        for _ in range(random.randint(1, MOST_CHANGES)):
            _change(made, random, inputs, tokens)
        return bytes(made[:size])

    yield from islice(iter(once, None), count)


def _change(made: bytearray, random: Random, inputs: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    """Take out, put in, repeat, or replace something somewhere."""
    at = random.randint(0, len(made))
    end = min(len(made), at + random.randint(0, LONGEST_COPY))
    match random.randrange(6):
        case 0:
            del made[at:end]
        case 1:
            made[at:at] = random.choice(tokens)
        case 2:
            made[at : at + 1] = bytes((random.randrange(256),))
        case 3:
            made[at:at] = made[at:end]
        case 4:
            other = random.choice(inputs)
            made[at:] = other[random.randint(0, len(other)) :]
        case _:
            token = random.choice(tokens)
            made[at : at + len(token)] = token
