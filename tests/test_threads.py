"""Kinds of work do not wait for each other, and small work does not leave the loop."""

from __future__ import annotations

import threading

import pytest
import trio
import trio.testing

from lingma_trio.threads import DISK, LOOP_SIZE, NAMES, WORK, Threads, apart


async def test_small_work_is_done_at_once_and_large_work_in_a_thread() -> None:
    """The size decides, and either way what comes back is what the function returns."""
    here = threading.get_ident()
    assert await apart(LOOP_SIZE, threading.get_ident) == here
    assert await apart(LOOP_SIZE + 1, threading.get_ident) != here


@pytest.mark.parametrize("size", [1, LOOP_SIZE + 1])
async def test_faults_come_back(size: int) -> None:
    """What the function raises is raised where it was called."""
    with pytest.raises(ZeroDivisionError):
        await apart(size, divmod, 1, 0)


async def test_one_kind_waits_for_itself_alone() -> None:
    """While all threads of one kind are taken, more of it waits, and every other kind goes on."""
    released = threading.Event()
    slow = Threads("a test", at_once=3)
    results: list[str] = []

    async def occupy() -> None:
        await slow.run(released.wait)
        results.append("slow")

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(occupy)
        await trio.testing.wait_all_tasks_blocked()
        try:
            assert slow.limiter.statistics().tasks_waiting == 2
            results += [await kind.run(str, "other") for kind in (DISK, NAMES, WORK)]
        finally:
            released.set()
    assert results == ["other"] * 3 + ["slow"] * 5


async def test_thread_that_is_left_counts_until_it_ends() -> None:
    """Who gives up waiting makes no room for another that would wait as long."""
    released, ended = threading.Event(), trio.Event()
    token = trio.lowlevel.current_trio_token()
    slow = Threads("a test", at_once=1)

    def wait() -> None:
        released.wait()
        token.run_sync_soon(ended.set)

    with trio.move_on_after(0.01):
        await slow.run(wait, leave=True)
    borrowed = slow.limiter.borrowed_tokens
    released.set()
    assert borrowed == 1
    await ended.wait()
    assert await slow.run(str, "free") == "free"


def test_every_run_of_trio_has_bounds_of_its_own() -> None:
    """Nothing of one run is left for the next."""

    async def look() -> trio.CapacityLimiter:
        await trio.lowlevel.checkpoint()
        assert WORK.limiter is WORK.limiter
        return WORK.limiter

    assert trio.run(look) is not trio.run(look)
