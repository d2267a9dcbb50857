"""The month of use as a table for programs."""

from __future__ import annotations

import csv
import io

from lingma_trio.http.exchange import Exchange
from lingma_trio.http.orders import admit_reader
from lingma_trio.http.services import Services
from lingma_trio.policy.use import Use, by_day

COLUMNS = ("day", "key", "model", "outcome", "requests", "prompt_tokens", "answer_tokens")
CSV = b"text/csv; charset=utf-8"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula at the start of a cell, and reckons."""


async def export_use(exchange: Exchange, services: Services) -> None:
    """The month by day, key, model and outcome, as CSV with a head."""
    await admit_reader(exchange, services)
    table = write_table(await services.use.month())
    disposition = (b"content-disposition", b'attachment; filename="lingma-trio-use.csv"')
    await exchange.respond(200, table, content_type=CSV, headers=[disposition, (b"cache-control", b"no-store")])


def write_table(use: Use) -> bytes:
    """The table, the newest day first. Days are those of the machine's time zone."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in by_day(use, None):
        names = (line.key, line.model, line.outcome)
        tally = line.tally
        writer.writerow(
            (
                *(line.day.isoformat(), *map(_plain, names)),
                *(tally.requests, tally.prompt_tokens, tally.answer_tokens),
            )
        )
    return text.getvalue().encode()


def _plain(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULA) else name
