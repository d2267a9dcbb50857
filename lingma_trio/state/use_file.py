"""Keeps use in a database of its own that only this user can read: for one process, or two that succeed each other."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lingma_trio.policy.use import Cell, Tally, Use, first_hour
from lingma_trio.private_files import open_unlinked
from lingma_trio.state.use import UseNotKept
from lingma_trio.threads import DISK

NAME = "use.sqlite"
PATIENCE = 3.0  # seconds for another gateway of the same directory to be done with it

_TABLE = """CREATE TABLE IF NOT EXISTS use (
    hour INTEGER NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL,
    requests INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL,
    PRIMARY KEY (hour, key, model, outcome)
) WITHOUT ROWID"""
_ADD = """INSERT INTO use VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    requests = requests + excluded.requests, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    answer_tokens = answer_tokens + excluded.answer_tokens"""


class UseFile:
    """A `UseKeeper` in a file of `directory`."""

    shared = False

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME
        self._left = 0  # the number of what a thread has that was left to itself

    def __repr__(self) -> str:
        return f"<UseFile {self.path}>"

    async def add(self, number: int, use: Use) -> None:
        """Write what was counted. Raises `UseNotKept`. Cancelling leaves the write to its thread."""
        if number == self._left:
            return
        self._left = number
        try:
            await DISK.run(_write, self.path, use, first_hour(time.time()), leave=True)
        except (OSError, sqlite3.Error) as fault:
            self._left = 0
            raise UseNotKept(f"{self.path}: {fault}") from fault

    async def month(self) -> dict[Cell, Tally]:
        """The use of the last month. Raises `UseNotKept`."""
        try:
            return await DISK.run(_read, self.path, first_hour(time.time()), leave=True)
        except (OSError, sqlite3.Error) as fault:
            raise UseNotKept(f"{self.path}: {fault}") from fault


def _write(path: Path, use: Use, oldest: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(open_unlinked(path, os.O_RDWR | os.O_CREAT))
    rows = [
        (*(cell.hour, cell.key, cell.model, cell.outcome), *(tally.requests, tally.prompt_tokens, tally.answer_tokens))
        for cell, tally in use.items()
    ]
    with _opened(path) as database, database:
        database.execute(_TABLE)
        database.executemany(_ADD, rows)
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
    with closing(sqlite3.connect(path, timeout=PATIENCE)) as database:
        yield database
