"""An alarm wakes the one who waits for it, and leaves nobody behind who waits no longer."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lingma_trio.alarm import Alarm


async def test_ring_wakes_who_waits() -> None:
    """Once; whoever waits again waits for the next ring."""
    alarm = Alarm()
    woken: list[int] = []

    async def wait_twice() -> None:
        for number in range(2):
            await alarm.wait()
            woken.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_twice)
        await wait_all_tasks_blocked()
        assert alarm.waited_for
        alarm.ring()
        alarm.ring()
        await wait_all_tasks_blocked()
        assert woken == [0]
        alarm.ring()
    assert woken == [0, 1]
    assert not alarm.waited_for


async def test_ring_for_nobody_is_forgotten(autojump_clock: trio.testing.MockClock) -> None:
    """Whoever waits has looked before."""
    del autojump_clock
    alarm = Alarm()
    alarm.ring()
    with trio.move_on_after(1) as scope:
        await alarm.wait()
    assert scope.cancelled_caught


async def test_wait_that_is_cancelled_leaves_nobody() -> None:
    """The next ring is for who waits then, and wakes no task that has gone on."""
    alarm = Alarm()
    with trio.CancelScope() as scope:
        scope.cancel("given up")
        await alarm.wait()
    assert not alarm.waited_for
    alarm.ring()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alarm.wait)
        await wait_all_tasks_blocked()
        alarm.ring()


async def test_what_has_rung_is_heard_though_it_is_cancelled_then() -> None:
    """As of an event: what comes after the ring cannot take it back."""
    alarm = Alarm()
    heard = False

    async def wait() -> None:
        nonlocal heard
        await alarm.wait()
        heard = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        alarm.ring()
        nursery.cancel_scope.cancel("too late")
    assert heard


async def test_second_who_waits_is_a_fault() -> None:
    """Of whom one would never be woken."""
    alarm = Alarm()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alarm.wait)
        await wait_all_tasks_blocked()
        with pytest.raises(AssertionError):
            await alarm.wait()
        alarm.ring()
