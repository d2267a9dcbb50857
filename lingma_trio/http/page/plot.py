"""Draws the page's plots as SVG paths. Pure: numbers in, path data out.

Every plot has the same box, `WIDTH` by `HEIGHT`, with nothing at the bottom and the scale's end at the top.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

WIDTH = 600
HEIGHT = 100
_STEPS = (1.0, 2.0, 5.0, 10.0)


def scale_end(values: Iterable[float], *, least: float) -> float:
    """The first of 1, 2, 5, 10, 20, … times a power of ten that no value exceeds, and at the least `least`."""
    highest = max(values, default=0.0)
    if not least < highest < math.inf:
        return least
    power = 10.0 ** math.floor(math.log10(highest))
    return next((step * power for step in _STEPS if highest <= step * power), 10 * power)


def bars(values: Sequence[float], end: float) -> str:
    """A bar for each value, left to right; those of nothing have none."""
    if not values:
        return ""
    width = WIDTH / len(values)
    drawn = []
    for place, value in enumerate(values):
        if value > 0:
            drawn.append(f"M{place * width:.1f} {HEIGHT}V{_height(value, end):.1f}h{width * 0.8:.1f}V{HEIGHT}z")
    return "".join(drawn)


def dots(points: Iterable[tuple[float, float]], end: float) -> str:
    """A dot, as a line of no length, for each point: how far right it stands, from 0 to 1, and its value."""
    return "".join(f"M{place * WIDTH:.1f} {_height(value, end):.1f}h0" for place, value in points)


def _height(value: float, end: float) -> float:
    return HEIGHT - min(1.0, max(0.0, value / end)) * HEIGHT
