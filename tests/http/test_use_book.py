"""The book of use: kept over restarts, lost by no fault of the disk, private, and no older than a month."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.http.use_book import MOST_WAITING, UseBook
from lingma_trio.policy.recent import RequestLine
from lingma_trio.policy.use import DAYS, HOUR, Cell, Tally, Use, together
from lingma_trio.state.use_file import UseFile


def line(outcome: str = "ok", *, at: float = 0, key: str = "ann") -> RequestLine:
    return RequestLine("req", at or time.time(), "chat", "qwen", "", "", "", 10, 20, 1.0, outcome, key)


async def test_use_outlasts_a_restart(tmp_path: Path) -> None:
    """What one process wrote the next goes on from, and two of one directory add up."""
    path = tmp_path / "data" / "use.sqlite"
    first, book = UseBook(UseFile(path.parent)), UseBook(UseFile(path.parent))
    for each in (first, book):
        each.count(line())
        each.count(line("cancelled"))
        await each.write()
    book.count(line())
    month = await UseBook(UseFile(tmp_path / "data")).month()
    assert {(cell.key, cell.model, cell.outcome): tally for cell, tally in month.items()} == {
        ("ann", "qwen", "ok"): Tally(2, 20, 40),
        ("ann", "qwen", "cancelled"): Tally(2, 20, 40),
    }
    assert sum(tally.requests for tally in (await book.month()).values()) == 5


async def test_file_is_the_user_s_alone(tmp_path: Path) -> None:
    """It holds names of keys, and the directory that is made for it is as private."""
    file = UseFile(tmp_path / "data")
    book = UseBook(file)
    book.count(line())
    await book.write()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


async def test_what_is_a_month_old_goes(tmp_path: Path) -> None:
    """With the next write."""
    book = UseBook(UseFile(tmp_path))
    book.count(line(at=time.time() - (DAYS + 1) * 24 * HOUR))
    book.count(line())
    await book.write()
    assert sum(tally.requests for tally in (await UseBook(UseFile(tmp_path)).month()).values()) == 1


async def test_disk_that_fails_costs_no_count(tmp_path: Path) -> None:
    """What could not be written waits, the fault is told, and both are over once the disk is well."""
    (tmp_path / "data").write_text("in the way")
    book = UseBook(UseFile(tmp_path / "data"))
    book.count(line())
    await book.write()
    assert str(tmp_path / "data" / "use.sqlite") in book.fault
    assert sum(tally.requests for tally in (await book.month()).values()) == 1
    (tmp_path / "data").unlink()
    book.count(line())
    await book.write()
    assert (book.fault, book.waiting) == ("", 0)
    assert sum(tally.requests for tally in (await UseBook(UseFile(tmp_path / "data")).month()).values()) == 2


async def test_file_that_cannot_be_read_is_a_fault_until_it_can(tmp_path: Path) -> None:
    """What was counted since the last write is shown meanwhile."""
    (tmp_path / "use.sqlite").write_text("This is no database, and longer than a head." * 100)
    book = UseBook(UseFile(tmp_path))
    assert await book.month() == {}
    assert "not a database" in book.fault
    (tmp_path / "use.sqlite").unlink()
    assert await book.month() == {}
    assert book.fault == ""


async def test_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write into the directory could lead the counts over any file of ours."""
    (tmp_path / "use.sqlite").symlink_to(tmp_path / "precious")
    book = UseBook(UseFile(tmp_path))
    book.count(line())
    await book.write()
    assert "symbolic link" in book.fault
    assert not (tmp_path / "precious").exists()


async def requests_in(directory: Path) -> int:
    """How many the file holds."""
    return sum(tally.requests for tally in (await UseBook(UseFile(directory)).month()).values())


async def test_what_is_lost_is_no_older_than_a_minute(tmp_path: Path, autojump_clock: MockClock) -> None:
    """By then it is on its way to the disk, again and again, and gets there."""
    book = UseBook(UseFile(tmp_path))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(book.run)
        for number in (1, 2):
            book.count(line())
            await trio.sleep(60)
            assert book.waiting == 0
            for _ in range(1000):  # looks, each of which takes a while of the disk's own
                if await requests_in(tmp_path) == number:
                    break
            assert await requests_in(tmp_path) == number
        nursery.cancel_scope.cancel()


async def test_it_is_written_at_the_end(tmp_path: Path) -> None:
    """Nothing is lost when the gateway stops in order."""
    book = UseBook(UseFile(tmp_path))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(book.run)
        await wait_all_tasks_blocked()
        book.count(line())
        nursery.cancel_scope.cancel()
    assert await requests_in(tmp_path) == 1


async def test_without_a_directory_it_is_kept_in_memory() -> None:
    """And nothing runs for it."""
    book = UseBook()
    book.count(line())
    await book.run()
    assert sum(tally.requests for tally in (await book.month()).values()) == 1


def test_memory_is_bounded() -> None:
    """However long the disk fails, and whatever clients make of their names; what is known goes on counting."""
    book = UseBook()
    for number in range(MOST_WAITING + 10):
        book.count(line(key=f"key-{number}", at=HOUR))
    book.count(line(key="key-0", at=HOUR))
    assert book.waiting == MOST_WAITING


async def test_counts_are_by_hour_key_model_and_outcome() -> None:
    """And hold nothing else of a request."""
    book = UseBook()
    book.count(line(at=7 * HOUR + 1))
    assert await book.month() == {Cell(7, "ann", "qwen", "ok"): Tally(1, 10, 20)}


class Slow:
    """Keeps use, and gives others time between being asked and answering."""

    shared = True

    def __init__(self) -> None:
        self.kept: Use = {}

    async def add(self, number: int, use: Use) -> None:
        await trio.sleep(1)
        self.kept = together(self.kept, use)

    async def month(self) -> dict[Cell, Tally]:
        await trio.sleep(2)
        return dict(self.kept)


@pytest.mark.parametrize("ahead", [0.5, 0])
async def test_what_is_written_while_somebody_looks_counts_once(autojump_clock: MockClock, ahead: float) -> None:
    """Whichever began first."""
    book = UseBook(Slow())
    book.count(line())
    months: list[dict[Cell, Tally]] = []

    async def look() -> None:
        await trio.sleep(0.5 - ahead)
        months.append(await book.month())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await trio.sleep(ahead)
        await book.write()
    book.count(line())
    months.append(await book.month())
    assert [[tally.requests for tally in month.values()] for month in months] == [[1], [2]]
