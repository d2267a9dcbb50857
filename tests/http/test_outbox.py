"""The outbox: nothing waits to put, what waits together is taken together, and the end comes after all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.api.reply import Ending
from lingma_trio.errors import ChannelLost
from lingma_trio.http.outbox import Outbox
from lingma_trio.policy.backlog import PIECE
from lingma_trio.turns import AnswerEvent, TextDelta, ThoughtDelta, Usage

END = Ending("stop", Usage(1, 1))


def encoder() -> ChatStream:
    """Any encoder."""
    return ChatStream(id="1", model="auto", created=0)


async def test_events_are_taken_as_they_come_and_then_the_end() -> None:
    """Whoever keeps up gets each event by itself; a sign of life is no event, and the end tells of itself."""
    outbox = Outbox()
    taken: list[list[AnswerEvent]] = []

    async def deliver() -> None:
        await outbox.opened()
        while (events := await outbox.take()) is not None:
            taken.append(events)

    async with trio.open_nursery() as consumer:
        consumer.start_soon(deliver)
        await wait_all_tasks_blocked()
        outbox.open(encoder())
        for piece in ("one", "two"):
            await wait_all_tasks_blocked()
            outbox.put([TextDelta(piece)])
        await wait_all_tasks_blocked()
        outbox.put([])
        await wait_all_tasks_blocked()
        outbox.end(END)
    assert taken == [[TextDelta("one")], [TextDelta("two")], []]
    assert outbox.ending == END


async def test_what_waits_is_taken_together() -> None:
    """In its order, and joined where it can be."""
    outbox = Outbox()
    outbox.put([ThoughtDelta("hm"), TextDelta("a")])
    outbox.put([TextDelta("b")])
    outbox.end(END)
    assert await outbox.take() == [ThoughtDelta("hm"), TextDelta("ab")]
    assert await outbox.take() is None


async def test_others_run_between_two_pieces() -> None:
    """Much that waits is taken piece by piece, with a checkpoint in between that loses nothing to a cancellation."""
    outbox = Outbox()
    outbox.put([TextDelta("a" * PIECE), TextDelta("b")])
    outbox.end(END)
    assert await outbox.take() == [TextDelta("a" * PIECE)]
    with trio.CancelScope() as scope:
        scope.cancel("in between")
        await outbox.take()
    assert scope.cancelled_caught
    assert await outbox.take() == [TextDelta("b")]


@dataclass
class Client:
    """Takes what it is brought straight, or tells that it cannot take it all."""

    outbox: Outbox
    takes: bool = True
    brought: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)

    def bring(self, data: bytes) -> bool:
        self.brought.append(data)
        return self.takes

    async def consume(self) -> None:
        while (data := await self.outbox.encoded()) is not None:
            self.taken.append(data)


@asynccontextmanager
async def straight() -> AsyncIterator[Client]:
    """A client of an answer whose first piece it has been sent."""
    outbox = Outbox()
    client = Client(outbox)
    outbox.straight = client.bring
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.consume)
        outbox.open(encoder())
        await wait_all_tasks_blocked()
        outbox.put([TextDelta("first")])
        await wait_all_tasks_blocked()
        yield client
        await wait_all_tasks_blocked()
        outbox.end(END)


async def test_what_comes_while_the_consumer_waits_goes_straight() -> None:
    """In the producer's step, once the answer has begun; signs of life are the consumer's, and so is the end."""
    async with straight() as client:
        assert not client.brought
        assert b"first" in client.taken[0]
        for text in ("one", "two"):
            client.outbox.put([TextDelta(text)])
            assert text.encode() in client.brought[-1]
            assert client.outbox.size == 0
        await wait_all_tasks_blocked()
        assert len(client.taken) == 1
        client.outbox.put([])
        await wait_all_tasks_blocked()
        assert client.taken[1:] == [b""]


async def test_consumer_is_woken_for_what_is_not_taken() -> None:
    """And all that comes until it waits again is left to it, in its order."""
    async with straight() as client:
        client.takes = False
        client.outbox.put([TextDelta("one")])
        assert client.outbox.size == len("one")
        client.outbox.put([TextDelta("two")])
        assert len(client.brought) == 1
        await wait_all_tasks_blocked()
        assert b"two" in client.taken[1]
        client.takes = True
        client.outbox.put([TextDelta("three")])
        assert b"three" in client.brought[1]


async def test_much_at_once_leaves_others_their_turn() -> None:
    """Of what is more than a piece the first goes straight, and the consumer takes the rest."""
    async with straight() as client:
        client.outbox.put([TextDelta("Q" * PIECE), TextDelta("rest")])
        assert [data.count(b"Q") for data in client.brought] == [PIECE]
        await wait_all_tasks_blocked()
        assert b"rest" in client.taken[1]


async def test_failure_comes_after_what_came_before_it() -> None:
    """What was given before a failure is taken first."""
    outbox = Outbox()
    outbox.open(encoder())
    outbox.put([TextDelta("half an ans")])
    outbox.fail(ChannelLost("gone"))
    await outbox.opened()
    assert await outbox.take() == [TextDelta("half an ans")]
    with pytest.raises(ChannelLost, match="gone"):
        await outbox.take()


async def test_question_that_is_never_put() -> None:
    """Whoever waits for it learns why."""
    outbox = Outbox()
    async with trio.open_nursery() as nursery:

        async def deliver() -> None:
            with pytest.raises(ChannelLost, match="gone"):
                await outbox.opened()

        nursery.start_soon(deliver)
        await wait_all_tasks_blocked()
        outbox.fail(ChannelLost("gone"))
