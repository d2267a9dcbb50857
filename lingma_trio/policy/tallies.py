"""Plain numbers of what happens, for whoever shows them: how much there was of something, and how long it took.

A request tells of ten of them, so that adding to one costs next to nothing: no lock, no look-up. Of one loop; pure, the
clock is an argument.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


class Count:
    """How much there was of something since `began`; whoever knows of more adds it to `count`."""

    __slots__ = ("began", "count")

    def __init__(self, began: float) -> None:
        self.began = began
        self.count = 0

    def __repr__(self) -> str:
        return f"<Count {self.count}>"


class Spread:
    """How long something took each time since `began`: `counts` has how often up to each of `bounds` and over the one
    before, and at its end how often over all; `sum` is all of it together. All in seconds.
    """

    __slots__ = ("began", "bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float], began: float) -> None:
        self.bounds = bounds
        self.began = began
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def __repr__(self) -> str:
        return f"<Spread {sum(self.counts)}>"

    def observe(self, seconds: float) -> None:
        """It took so long once more."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds
