"""What the page shows, from the figures that it has."""

from __future__ import annotations

import pytest

from lingma_trio.http.page.view import Plot, bar_of, clock_time, first_in, hit_rate, plot_rates, plot_waits
from lingma_trio.policy.pace import SLOTS, Wait
from lingma_trio.policy.recent import RequestLine
from lingma_trio.task_tree import Node


def test_plots_of_nothing() -> None:
    """Before anybody asked there is an empty box with a scale."""
    assert plot_waits([]) == Plot("", "1 s", "", "")
    assert plot_rates([0.0] * 9) == Plot("", "10", "", "")


def test_plot_of_waits() -> None:
    """Median and longest beside it; the newest is at the right."""
    plot = plot_waits([Wait(SLOTS // 2, 0.5), Wait(0, 1.5), Wait(0, 1.0)])
    assert plot == Plot("M300.0 75.0h0M600.0 25.0h0M600.0 50.0h0", "2 s", "1.00 s", "1.50 s")


def test_plot_of_rates() -> None:
    """Silence counts neither for the median nor for the scale."""
    plot = plot_rates([0, 12, 0, 18, 0])
    assert (plot.top, plot.typical, plot.most) == ("20", "15.0", "18.0")
    assert plot.path.count("M") == 2


@pytest.mark.parametrize(
    ("hits", "misses", "shown"), [(0, 0, "\u2013"), (0, 3, "0 %"), (2, 1, "67 %"), (5, 0, "100 %")]
)
def test_hit_rate(hits: int, misses: int, shown: str) -> None:
    """A share of nothing is no share."""
    assert hit_rate(hits, misses) == shown


def test_clock_is_utc() -> None:
    """Two people in two places see the same time for the same request."""
    assert clock_time(1_700_000_000) == "22:13:20"


def test_bar_is_as_long_as_its_parts() -> None:
    """Each as long as its share of the time; a stage that took none is no part of it, and no time is no bar."""
    line = RequestLine(
        "", 0, "", "", "", "", "", 0, 0, 4, "ok", spans=(("queued", 1), ("waiting", 0), ("streaming", 3))
    )
    assert [(span.name, span.start, span.length) for span in bar_of(line)] == [("queued", 0, 25), ("streaming", 25, 75)]
    assert bar_of(RequestLine("", 0, "", "", "", "", "", 0, 0, 4, "ok", spans=(("receiving", 0),))) == []


def test_branches_come_first_on_every_level() -> None:
    """And everything else stays in its order."""
    request = Node("request a", "", "", (), 0)
    tree = Node(
        "root", "", "", (Node("x", "", "", (), 0), Node("y", "", "", (Node("z", "", "", (), 0), request), 1)), 0
    )
    ordered = first_in(tree, {"request a"})
    assert [child.name for child in ordered.children] == ["y", "x"]
    assert [child.name for child in ordered.children[0].children] == ["request a", "z"]
    assert first_in(tree, ()) == tree
