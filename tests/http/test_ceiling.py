"""The ceiling over requests: each has its time, and a drain shortens it for all."""

from __future__ import annotations

import pytest
import structlog
import trio
from trio.testing import MockClock

from lingma_trio.errors import RequestTimeout, ShuttingDown
from lingma_trio.http.ceiling import LAST_WORDS, Ceiling


async def test_ceiling_lets_through_what_is_in_time(autojump_clock: MockClock) -> None:
    """What takes less than its time is not touched."""
    with Ceiling(10, delivery=5).over():
        await trio.sleep(9.9)


async def test_ceiling_ends_what_takes_longer(autojump_clock: MockClock) -> None:
    """What takes longer ends at the ceiling with an error that names the setting."""
    began = trio.current_time()
    with pytest.raises(RequestTimeout, match="GATEWAY_REQUEST_TIMEOUT"), Ceiling(10, delivery=5).over():
        await trio.sleep_forever()
    assert trio.current_time() - began == pytest.approx(10)


async def test_who_else_ends_it_is_no_timeout(autojump_clock: MockClock) -> None:
    """The scope may be cancelled by others, who say themselves why; nothing is raised then."""
    ceiling = Ceiling(10, delivery=5)
    with structlog.testing.capture_logs() as logs, ceiling.over_both() as both:
        both.scope.cancel("cancelled by the operator")
        await trio.sleep(1)
    assert both.scope.cancelled_caught
    assert not logs
    for bound in (ceiling.over, ceiling.over_words):
        with structlog.testing.capture_logs() as logs, bound() as scope:
            scope.cancel("cancelled by the operator")
            await trio.sleep(1)
        assert scope.cancelled_caught
        assert not logs


async def test_drain_shortens_what_runs_and_what_comes(autojump_clock: MockClock) -> None:
    """A drain ends both requests that were there and those that come, together, and not as a timeout of theirs."""
    ceiling, began = Ceiling(900, delivery=5), trio.current_time()
    ended: list[float] = []

    async def request() -> None:
        try:
            with ceiling.over():
                await trio.sleep(1000)
        except ShuttingDown:
            ended.append(trio.current_time() - began)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(request)
        await trio.sleep(1)
        before = ceiling.draining
        ceiling.drain(5)
        assert (before, ceiling.draining) == (False, True)
        await trio.sleep(1)
        nursery.start_soon(request)
    assert ended == pytest.approx([6, 6])


async def test_drain_lengthens_nothing(autojump_clock: MockClock) -> None:
    """A request whose own time ends within the drain ends with it, as a timeout."""
    ceiling, began = Ceiling(3, delivery=5), trio.current_time()
    ceiling.drain(100)
    with pytest.raises(RequestTimeout), ceiling.over():
        await trio.sleep_forever()
    assert trio.current_time() - began == pytest.approx(3)


async def test_request_after_the_drain_has_no_time(autojump_clock: MockClock) -> None:
    """Once the drain is over, whatever waits is ended at its first step."""
    ceiling = Ceiling(900, delivery=5)
    ceiling.drain(1)
    await trio.sleep(2)
    with pytest.raises(ShuttingDown), ceiling.over():
        await trio.sleep_forever()


async def test_one_scope_bounds_making_and_then_delivery(autojump_clock: MockClock) -> None:
    """What is not made in time is a timeout; what is made has the client's time more, and is cut off then."""
    ceiling, began = Ceiling(10, delivery=5), trio.current_time()
    with pytest.raises(RequestTimeout), ceiling.over_both():
        await trio.sleep(1000)
    assert trio.current_time() - began == pytest.approx(10)
    began = trio.current_time()
    with structlog.testing.capture_logs() as logs, ceiling.over_both() as bound:
        await trio.sleep(9)
        bound.made()
        await trio.sleep(1000)
    assert trio.current_time() - began == pytest.approx(15)
    assert [line["event"] for line in logs] == ["client_too_slow"]


async def test_bug_in_what_the_time_ends_is_no_timeout(autojump_clock: MockClock) -> None:
    """It is told as itself: a timeout is no bug, and nobody would look for one."""
    ceiling = Ceiling(10, delivery=5)

    async def stumble() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ZeroDivisionError

    with pytest.RaisesGroup(ZeroDivisionError), ceiling.over_both():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stumble)
            await trio.sleep_forever()


async def test_scope_of_a_stream_is_bounded_as_it_is(autojump_clock: MockClock) -> None:
    """Making and delivery together, or the drain and the last words; whoever else ends it is no slow client."""
    for drained, end in ((False, 15), (True, 5 + LAST_WORDS)):
        ceiling, began = Ceiling(10, delivery=5), trio.current_time()
        with structlog.testing.capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                with ceiling.over_delivery(nursery.cancel_scope):
                    if drained:
                        ceiling.drain(5)
                    await trio.sleep(1000)
        assert trio.current_time() - began == pytest.approx(end)
        assert [line["event"] for line in logs] == ["client_too_slow"]
    ceiling = Ceiling(10, delivery=5)
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            with ceiling.over_delivery(nursery.cancel_scope):
                nursery.cancel_scope.cancel("client disconnected")
                ceiling.drain(5)
                await trio.sleep(1000)
    assert not logs


async def test_drain_bounds_making_and_then_delivery(autojump_clock: MockClock) -> None:
    """What is made by its end has the last words' time more, whichever of the two came first."""
    for drain_first in (True, False):
        ceiling, began = Ceiling(900, delivery=5), trio.current_time()
        with ceiling.over_both() as bound:
            if drain_first:
                ceiling.drain(5)
            bound.made()
            ceiling.drain(5)
            await trio.sleep(1000)
        assert trio.current_time() - began == pytest.approx(5 + LAST_WORDS)


async def test_fault_of_the_block_is_its_own() -> None:
    """A fault inside goes out as it is."""

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Ceiling(10, delivery=5).over():
        await fail()
