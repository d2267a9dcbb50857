"""The month of use as CSV: every count, and nothing that a spreadsheet would reckon."""

from __future__ import annotations

import csv
import time
from io import StringIO

from lingma_trio.http.use_export import COLUMNS, write_table
from lingma_trio.policy.recent import RequestLine
from lingma_trio.policy.use import Cell, Tally
from tests.http.page.browsing import ADMIN, Browser
from tests.http.world import open_world


async def test_export_has_what_was_counted() -> None:
    """For the operator alone, as a file to be kept."""
    async with open_world(admin=ADMIN) as world:
        line = RequestLine("req", time.time(), "chat", "qwen", "", "", "", 10, 20, 1.0, "ok", "ann")
        world.services.use.count(line)
        browser = Browser(world)
        assert (await browser.get("/internal/use.csv")).status == 404
        await browser.sign_in()
        visitor = await browser.get("/internal/use.csv")
    assert visitor.headers["content-type"].startswith("text/csv")
    assert "attachment" in visitor.headers["content-disposition"]
    head, row = csv.reader(StringIO(visitor.body.decode()))
    assert tuple(head) == COLUMNS
    assert row[1:] == ["ann", "qwen", "ok", "1", "10", "20"]


def test_name_is_no_formula() -> None:
    """A model's name comes from elsewhere, and a spreadsheet runs what begins so."""
    table = write_table({Cell(1, "ann", '=HYPERLINK("x"),y', "ok"): Tally(1)}).decode()
    assert list(csv.reader(StringIO(table)))[1][2] == '\'=HYPERLINK("x"),y'
