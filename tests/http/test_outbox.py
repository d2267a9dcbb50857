"""The outbox: nothing waits to put, what waits together is taken together, and the end comes after all of it."""

from __future__ import annotations

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
