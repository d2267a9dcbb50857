"""What is written to an upstream: at once where there is room, in order where there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import ChannelLost
from lingma_trio.lingma.writer import MAX_UNSENT, WRITE_TIMEOUT, Writer


class Pipe:
    """A transport that takes what the test lets it; `owes` is what an offer left, or something of its own."""

    def __init__(self) -> None:
        self.room = trio.Event()
        self.sent: list[bytes] = []
        self.offered: list[bytes] = []
        self.takes = True
        self.owes = False

    async def receive(self) -> bytes:
        """Never come to anything."""
        await trio.sleep_forever()
        raise AssertionError

    async def send(self, text: bytes = b"", /) -> None:
        """Take a message once there is room."""
        await self.room.wait()
        self.owes = False
        self.sent.append(text)

    def offer(self, text: bytes, /) -> bool:
        """Take it at once, or not."""
        if self.takes:
            self.offered.append(text)
        return self.takes

    async def aclose(self) -> None:
        """Nothing."""


@asynccontextmanager
async def writing(pipe: Pipe, writer: Writer) -> AsyncIterator[None]:
    """Let the writer run, and wait until it has nothing to do."""
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            task_status.started()
            await writer.run(pipe, lambda: "It")

        await nursery.start(run)
        await wait_all_tasks_blocked()
        yield
        nursery.cancel_scope.cancel("the test is over")


async def test_what_has_room_is_written_at_once() -> None:
    """No task has to wake for it."""
    pipe, writer = Pipe(), Writer(lambda: None)
    async with writing(pipe, writer):
        writer.post(b"one")
        assert (pipe.offered, pipe.sent, writer.size) == ([b"one"], [], 0)


async def test_what_has_none_is_written_in_order() -> None:
    """Nothing overtakes what waits, also when there is room again; what is owed goes with the first."""
    pipe, writer = Pipe(), Writer(lambda: None)
    pipe.takes = False
    async with writing(pipe, writer):
        for frame in (b"one", b"two"):
            writer.post(frame)
        pipe.takes = True
        writer.post(b"three")
        assert (pipe.offered, writer.size) == ([], 11)
        pipe.room.set()
        await wait_all_tasks_blocked()
        assert pipe.sent == [b"one", b"two", b"three"]
        assert writer.size == 0


async def test_rest_of_an_offer_is_seen_to() -> None:
    """A transport that took a message in part owes the rest, which its own task writes."""
    pipe, writer = Pipe(), Writer(lambda: None)
    async with writing(pipe, writer):
        pipe.room.set()
        pipe.owes = True
        writer.post(b"one")
        await wait_all_tasks_blocked()
        assert (pipe.offered, pipe.sent) == ([b"one"], [b""])


async def test_room_for_questions_is_told_once_it_is_there() -> None:
    """Too much that waits is congestion; when it has left, whoever counts on it is told."""
    told: list[int] = []
    pipe = Pipe()
    writer = Writer(lambda: told.append(writer.size))
    writer.post(b"x" * MAX_UNSENT)
    before = writer.congested
    writer.post(b"y")
    assert (before, writer.congested) == (False, True)
    async with writing(pipe, writer):
        assert (told, writer.size) == ([], 1)  # the first is on its way
        pipe.room.set()
        await wait_all_tasks_blocked()
        assert (told, writer.size) == ([1], 0)


async def test_upstream_that_takes_nothing_is_lost(autojump_clock: MockClock) -> None:
    """A message has its time to leave; who does not take it is named."""
    writer = Writer(lambda: None)
    writer.post(b"one")
    with pytest.raises(ChannelLost, match="It reads nothing"):
        await writer.run(Pipe(), lambda: "It")
    assert trio.current_time() == pytest.approx(WRITE_TIMEOUT)


async def test_closed_writer_holds_nothing() -> None:
    """What waited is forgotten with the connection."""
    pipe, writer = Pipe(), Writer(lambda: None)
    pipe.takes = False
    async with writing(pipe, writer):
        writer.post(b"one")
        writer.close()
        pipe.room.set()
        await wait_all_tasks_blocked()
        assert writer.size == 0


async def test_nothing_overtakes_what_is_being_written() -> None:
    """While one message waits for room no other is written past it, though the transport would take that one."""
    pipe, writer = Pipe(), Writer(lambda: None)
    async with writing(pipe, writer):
        pipe.takes = False
        writer.post(b"first")
        await wait_all_tasks_blocked()
        pipe.takes = True
        writer.post(b"second")
        assert pipe.offered == []
        pipe.room.set()
        await wait_all_tasks_blocked()
        assert pipe.sent == [b"first", b"second"]
