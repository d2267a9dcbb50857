"""However many wait for the binary, one fetches it, and a failure is the next one's turn."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.bootstrap.download import Progress
from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.install import Binary
from lingma_trio.bootstrap.preparation import Preparation, described
from lingma_trio.errors import InstanceDown

BINARY = Binary(Path("/opt/Lingma"), "0" * 64)


class Fetcher:
    """Fetches in two seconds, with what `outcomes` holds."""

    def __init__(self, *outcomes: Binary | BootstrapFault) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    async def fetch(self, on_progress: Progress) -> Binary:
        """Report half of it after a second, and end after another."""
        self.calls += 1
        await trio.sleep(1)
        on_progress(50_000_000, 100_000_000)
        await trio.sleep(1)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BootstrapFault):
            raise outcome
        return outcome


async def test_one_fetches_for_all(autojump_clock: MockClock) -> None:
    """All wait for the one fetch, the first one sees how far it is, and later ones wait for nothing."""
    fetcher = Fetcher(BINARY)
    preparation = Preparation(fetcher.fetch)
    reports: list[list[str]] = [[], [], []]
    async with trio.open_nursery() as nursery:
        for each in reports:
            nursery.start_soon(preparation.wait, each.append)
    assert (trio.current_time(), fetcher.calls, preparation.binary) == (2.0, 1, BINARY)
    assert min(reports, key=len) == ["Lingma is being fetched"]
    assert max(reports, key=len) == ["Lingma is being fetched", "downloading Lingma, 50 % of 100 MB"]
    await preparation.wait(pytest.fail)
    assert trio.current_time() == 2.0


async def test_failure_ends_the_life_and_not_the_attempts(autojump_clock: MockClock) -> None:
    """Without a binary an instance is down, with the reason; the next attempt fetches again."""
    preparation = Preparation(Fetcher(BootstrapFault("there is no Lingma"), BINARY).fetch)
    with pytest.raises(InstanceDown, match="there is no Lingma"):
        await preparation.wait(lambda _report: None)
    await preparation.wait(lambda _report: None)
    assert preparation.binary == BINARY


async def test_cancelled_fetch_passes_to_the_next(autojump_clock: MockClock) -> None:
    """When the one that fetches leaves, the next one that waits begins."""
    fetcher = Fetcher(BINARY)
    preparation = Preparation(fetcher.fetch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_wait_a_second, preparation)
        await wait_all_tasks_blocked()
        await preparation.wait(lambda _report: None)
    assert (fetcher.calls, preparation.binary, trio.current_time()) == (2, BINARY, 3.0)


async def _wait_a_second(preparation: Preparation) -> None:
    with trio.move_on_after(1):
        await preparation.wait(lambda _report: None)


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (0, 200_000_000, "downloading Lingma, 0 % of 200 MB"),
        (199_999_999, 200_000_000, "downloading Lingma, 99 % of 200 MB"),
        (1_500_000, None, "downloading Lingma, 2 MB"),
    ],
)
def test_progress_is_readable(done: int, total: int | None, text: str) -> None:
    """Percent where the whole is known, else megabytes."""
    assert described(done, total) == text
