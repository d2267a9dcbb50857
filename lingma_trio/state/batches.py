"""Many calls as several trips: what is too much for one is sent some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Thing = TypeVar("Thing")


def batches(things: Iterable[Thing], most: int) -> Iterator[list[Thing]]:
    """Yield all of them in their order, `most` at a time; the last ones may be fewer."""
    left = iter(things)
    while batch := list(islice(left, most)):
        yield batch
