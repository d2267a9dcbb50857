"""Keeps a month of use over restarts, in a database of its own that only this user can read.

Counts are taken in memory and written every FLUSH seconds, so that at most that much is lost with the process. Nothing
here ever keeps a request waiting, and a disk that cannot be written costs no request: what is counted stays in memory
for the next attempt.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import structlog
import trio

from lingma_trio.policy.recent import RequestLine
from lingma_trio.policy.use import HOUR, Cell, Tally, first_hour, together
from lingma_trio.private_files import open_unlinked
from lingma_trio.threads import DISK

NAME = "use.sqlite"
FLUSH = 50.0  # seconds; with the write itself less than the minute that may be lost
LAST_WRITE = 3.0  # seconds that the last write may take while the gateway stops
MOST_WAITING = 10_000
"""Counts that wait in memory for a disk that cannot be written; what is new beyond that is not kept."""

_TABLE = """CREATE TABLE IF NOT EXISTS use (
    hour INTEGER NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL,
    requests INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL,
    PRIMARY KEY (hour, key, model, outcome)
) WITHOUT ROWID"""
_ADD = """INSERT INTO use VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    answer_tokens = answer_tokens + excluded.answer_tokens"""

log = structlog.get_logger("lingma_trio.use")


class UseBook:
    """The use of one gateway, in a file of `directory`; without a directory it is kept in memory alone.

    `fault` says why the file cannot be used, or is empty.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.path = None if directory is None else directory / NAME
        self.fault = ""
        self._waiting: dict[Cell, Tally] = {}

    def __repr__(self) -> str:
        return f"<UseBook {self.path} waiting={len(self._waiting)} fault={self.fault!r}>"

    @property
    def waiting(self) -> int:
        """How many counts are not written yet."""
        return len(self._waiting)

    def count(self, line: RequestLine) -> None:
        """Count a request that has ended."""
        cell = Cell(int(line.at // HOUR), line.key, line.model, line.outcome)
        if cell in self._waiting or len(self._waiting) < MOST_WAITING:
            tally = Tally(1, line.prompt_tokens, line.answer_tokens)
            self._waiting[cell] = self._waiting.get(cell, Tally()) + tally

    async def run(self) -> None:
        """Write what was counted, for ever, and once more when cancelled, within LAST_WRITE seconds."""
        if self.path is None:
            return
        try:
            while True:
                await trio.sleep(FLUSH)
                await self.write(self.path)
        finally:
            with trio.move_on_after(LAST_WRITE, shield=True):
                await self.write(self.path)

    async def write(self, path: Path) -> None:
        """Write what waits; where that fails it waits on. Cancelling leaves the write to its thread, and what it wrote
        may be written twice.
        """
        if not self._waiting:
            return
        written, self._waiting = self._waiting, {}
        try:
            await DISK.run(_write, path, written, first_hour(time.time()), leave=True)
        except (OSError, sqlite3.Error) as fault:
            self._waiting = together(written, self._waiting)
            if not self.fault:
                log.warning("use_not_kept", path=str(path), fault=str(fault))
            self.fault = f"{path}: {fault}"
        else:
            self.fault = ""

    async def month(self) -> dict[Cell, Tally]:
        """The use of the last month. Where the file cannot be read it is what was counted since the last write."""
        kept: dict[Cell, Tally] = {}
        waiting = dict(self._waiting)
        if self.path is not None:
            try:
                kept = await DISK.run(_read, self.path, first_hour(time.time()), leave=True)
            except (OSError, sqlite3.Error) as fault:
                self.fault = f"{self.path}: {fault}"
            else:
                if not waiting:
                    self.fault = ""
        return together(kept, waiting)


def _write(path: Path, use: dict[Cell, Tally], oldest: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(open_unlinked(path, os.O_RDWR | os.O_CREAT))
    with _opened(path) as database, database:
        database.execute(_TABLE)
        database.executemany(
            _ADD,
            [
                (
                    cell.hour,
                    cell.key,
                    cell.model,
                    cell.outcome,
                    tally.requests,
                    tally.prompt_tokens,
                    tally.answer_tokens,
                )
                for cell, tally in use.items()
            ],
        )
        database.execute("DELETE FROM use WHERE hour < ?", (oldest,))


def _read(path: Path, oldest: int) -> dict[Cell, Tally]:
    if not path.exists():
        return {}
    with _opened(path) as database:
        rows = database.execute("SELECT * FROM use WHERE hour >= ?", (oldest,)).fetchall()
    return {Cell(*row[:4]): Tally(*row[4:]) for row in rows}


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, for one piece of work: another gateway of the same directory may have it in between."""
    with closing(sqlite3.connect(path, timeout=LAST_WRITE)) as database:
        yield database
