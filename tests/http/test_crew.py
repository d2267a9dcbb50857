"""The crew: every job is done once, in order, by as many as there are seats; one that fails ends all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import ChannelLost
from lingma_trio.http.crew import Crew


class Hall:
    """So many spare seats, and what was done from which, when it was done."""

    def __init__(self, spare: int) -> None:
        self.seats = trio.CapacityLimiter(spare) if spare else None
        self.done: list[tuple[int, str, float]] = []
        self.cancelled: list[int] = []

    @asynccontextmanager
    async def spare(self) -> AsyncIterator[str]:
        """Wait for one, for ever where there is none."""
        if self.seats is None:
            await trio.sleep_forever()
        else:
            async with self.seats:
                yield "spare"

    async def job(self, number: int, seconds: float, fails: bool, seat: str) -> None:
        """One that takes so long."""
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            self.cancelled.append(number)
            raise
        if fails:
            raise ChannelLost(f"{number}")
        self.done.append((number, seat, trio.current_time()))

    def crew(self, *seconds: float, failing: int = -1) -> Crew[str]:
        """A crew of jobs that take so long each."""
        return Crew([partial(self.job, n, each, n == failing) for n, each in enumerate(seconds)], self.spare)


async def test_one_seat_does_one_after_another(autojump_clock: MockClock) -> None:
    """Whoever waits for another seat goes when nothing is left."""
    hall = Hall(0)
    began = trio.current_time()
    await hall.crew(1, 1, 1).run("own")
    assert [(number, seat, at - began) for number, seat, at in hall.done] == [
        (0, "own", 1),
        (1, "own", 2),
        (2, "own", 3),
    ]


async def test_spare_seats_work_at_once(autojump_clock: MockClock) -> None:
    """Each takes the next that is left."""
    hall = Hall(2)
    began = trio.current_time()
    await hall.crew(4, 1, 1, 1).run("own")
    assert trio.current_time() - began == 4
    assert sorted(number for number, _, _ in hall.done) == [0, 1, 2, 3]
    assert {seat for _, seat, _ in hall.done} == {"own", "spare"}


async def test_failure_ends_all(autojump_clock: MockClock) -> None:
    """What is being done is cancelled, what is left is not begun, and the failure is told by itself."""
    hall = Hall(1)
    with pytest.raises(ChannelLost, match="1"):
        await hall.crew(5, 1, 1, 1, failing=1).run("own")
    assert (hall.done, hall.cancelled) == ([], [0])
