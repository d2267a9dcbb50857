"""What the page shows of a month of use: added up by day, key by key, and only where somebody looks."""

from __future__ import annotations

import time

from lingma_trio.http.page.use_panels import Chart, KeysPanel, UsePanel, take_use_panels
from lingma_trio.policy.recent import RequestLine
from tests.http.world import World, open_world


def asked(world: World, *outcomes: str, key: str = "key-1") -> None:
    for outcome in outcomes:
        world.services.use.count(RequestLine("req", time.time(), "chat", "qwen", "", "", "", 10, 20, 1.0, outcome, key))


async def test_use_of_the_day() -> None:
    """What it came to, and how much of it failed: who leaves is no failure."""
    async with open_world() as world:
        asked(world, "ok", "ok", "cancelled", "queue_full")
        panel = (await take_use_panels(world.services, ["use"]))["use"]
    assert isinstance(panel, UsePanel)
    (day,) = panel.days
    assert (day.total.requests, day.total.tokens, day.failed) == (4, 120, 1)
    assert [(line.outcome, line.tally.requests) for line in day.lines] == [
        ("cancelled", 1),
        ("ok", 2),
        ("queue_full", 1),
    ]
    assert panel.chart.path
    assert panel.fault == ""


async def test_use_of_each_key() -> None:
    """Its own, by hour and day; a key of the settings is marked as fixed."""
    async with open_world(keys=("key,other",)) as world:
        asked(world, "ok")
        panel = (await take_use_panels(world.services, ["keys"]))["keys"]
    assert isinstance(panel, KeysPanel)
    first, *others = panel.keys
    assert (first.name, first.fixed, first.total.requests, first.hours.top) == ("key-1", True, 1, 5)
    assert [(each.total.requests, each.days) for each in others] == [(0, Chart("", 0))]
    assert (panel.file, panel.fault) == ("", "")


async def test_disk_is_read_where_use_is_shown() -> None:
    """And nowhere else."""
    async with open_world() as world:
        assert await take_use_panels(world.services, ["numbers", "underway"]) == {}
