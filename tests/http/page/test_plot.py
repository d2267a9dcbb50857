"""Plots: the scale holds every value, and nothing is drawn outside the box."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.http.page.plot import HEIGHT, WIDTH, bars, dots, scale_end

values = st.lists(st.floats(0, 1e9), min_size=1, max_size=130)


@pytest.mark.parametrize(
    ("highest", "end"), [(0, 1), (0.3, 1), (1, 1), (1.01, 2), (4.2, 5), (7, 10), (11, 20), (100, 100), (101, 200)]
)
def test_scale_ends_at_a_round_number(highest: float, end: float) -> None:
    """The next of 1, 2, 5, 10, and never below what is asked for at the least."""
    assert scale_end([highest], least=1) == end


@given(values)
def test_scale_holds_everything(numbers: list[float]) -> None:
    """No value is above the top."""
    assert scale_end(numbers, least=1) >= max(numbers)


@given(values)
def test_bars_stay_in_their_box(numbers: list[float]) -> None:
    """One bar for each value that is more than nothing."""
    drawn = bars(numbers, scale_end(numbers, least=1))
    places = [(float(x), float(y)) for x, y in re.findall(r"M(\S+) \d+V([\d.]+)h", drawn)]
    assert len(places) == sum(number > 0 for number in numbers)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)


def test_bar_is_as_high_as_its_value() -> None:
    """Half of the scale is half of the box; nothing is no bar."""
    assert bars([0, 5, 10], 10) == "M200.0 100V50.0h160.0V100zM400.0 100V0.0h160.0V100z"
    assert bars([], 10) == ""


def test_dot_stands_where_its_point_is() -> None:
    """From left to right and from bottom to top; one off the scale stays at its edge."""
    assert dots([(0, 0), (0.5, 1), (1, 9)], 2) == "M0.0 100.0h0M300.0 50.0h0M600.0 0.0h0"
