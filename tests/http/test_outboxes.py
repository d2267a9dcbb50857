"""Several outboxes in one response: each answer ends for itself, the end and the failure are all's."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.choices import Choices
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.api.reply import Ending
from lingma_trio.errors import ChannelLost
from lingma_trio.http.outboxes import Outboxes
from lingma_trio.policy.backlog import PIECE
from lingma_trio.turns import TextDelta, Usage

FIRST, LATER = Origin("first", "auto", 1), Origin("later", "qwen", 2)
DONE = Ending("stop", Usage(3, 5))


def choices(origin: Origin) -> Choices:
    """The encoders of a stream of two answers."""
    streams = [
        ChatStream(id=origin.id, model=origin.model, created=origin.created, include_usage=True, index=index)
        for index in (0, 1)
    ]
    return Choices(streams, stream=True)


def put() -> Outboxes:
    """The outboxes of two answers whose questions have been put."""
    outboxes = Outboxes(2, choices)
    for index, outbox in enumerate(outboxes.each):
        outbox.open(outboxes.encoder(index, FIRST))
    return outboxes


def told(data: bytes | None) -> list[tuple[int, str | None, str | None]]:
    """What a piece of the stream says, in its order: of which answer, which text, and why it ended."""
    assert data is not None
    blocks = [block.removeprefix(b"data: ") for block in data.split(b"\n\n")]
    said = [choice for block in blocks if block.startswith(b"{") for choice in json.loads(block)["choices"]]
    return [(each["index"], each["delta"].get("content"), each["finish_reason"]) for each in said]


async def test_all_answers_have_the_origin_of_the_first() -> None:
    """Encoders are made once; who waits for the question is woken by it."""
    asked: list[Origin] = []

    def make(origin: Origin) -> Choices:
        asked.append(origin)
        return choices(origin)

    outboxes = Outboxes(2, make)
    opened: list[Choices] = []

    async def wait() -> None:
        opened.append(await outboxes.opened())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        assert not opened
        second, first = outboxes.encoder(1, FIRST), outboxes.encoder(0, LATER)
    assert asked == [FIRST]
    assert opened[0].encoders == (first, second)


async def test_question_that_is_never_put() -> None:
    """Whoever waits for it learns why."""
    outboxes = Outboxes(2, choices)

    async def wait() -> None:
        with pytest.raises(ChannelLost, match="gone"):
            await outboxes.encoded()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        outboxes.fail(ChannelLost("gone"))


async def test_what_waits_of_each_leaves_together() -> None:
    """And what comes meanwhile wakes whoever takes it; each answer ends once, and the response when all is told."""
    outboxes = put()
    outboxes.each[0].put([TextDelta("a")])
    outboxes.each[1].put([TextDelta("bc")])
    assert outboxes.size == 3
    assert told(await outboxes.encoded())[-2:] == [(0, "a", None), (1, "bc", None)]
    pieces: list[bytes] = []

    async def deliver() -> None:
        while (data := await outboxes.encoded()) is not None:
            pieces.append(data)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(deliver)
        await wait_all_tasks_blocked()
        outboxes.each[1].end(DONE)
        await wait_all_tasks_blocked()
        outboxes.each[0].put([TextDelta("d")])
        await wait_all_tasks_blocked()
        outboxes.each[0].put([])
        await wait_all_tasks_blocked()
        outboxes.each[0].end(Ending("length", Usage(1, 1)))
        await wait_all_tasks_blocked()
        assert nursery.child_tasks
        outboxes.end(DONE)
    assert [told(piece) for piece in pieces] == [[(1, None, "stop")], [(0, "d", None)], [], [(0, None, "length")]]
    assert b'"completion_tokens":5' in outboxes.last()


async def test_end_waits_until_everything_was_taken() -> None:
    """An answer that ended with much that waits is ended behind its last piece, and the response behind that."""
    outboxes = put()
    outboxes.each[0].put([TextDelta("a" * PIECE), TextDelta("b")])
    for outbox in outboxes.each:
        outbox.end(DONE)
    outboxes.end(DONE)
    assert told(await outboxes.encoded())[2:] == [(0, "a" * PIECE, None), (1, None, "stop")]
    assert told(await outboxes.encoded()) == [(0, "b", None), (0, None, "stop")]
    assert await outboxes.encoded() is None
    assert await outboxes.encoded() is None


async def test_others_run_between_two_pieces() -> None:
    """A cancellation there loses nothing."""
    outboxes = put()
    outboxes.each[0].put([TextDelta("a")])
    with trio.CancelScope() as scope:
        scope.cancel("in between")
        await outboxes.encoded()
    assert scope.cancelled_caught
    assert told(await outboxes.encoded())[-1] == (0, "a", None)


async def test_failure_is_all_s() -> None:
    """What came before it is told first."""
    outboxes = put()
    outboxes.each[0].put([TextDelta("half")])
    outboxes.fail(ChannelLost("gone"))
    assert told(await outboxes.encoded())[-1] == (0, "half", None)
    with pytest.raises(ChannelLost, match="gone"):
        await outboxes.encoded()


def test_what_nobody_will_read_is_dropped() -> None:
    """Of every answer."""
    outboxes = put()
    for outbox in outboxes.each:
        outbox.put([TextDelta("much")])
    outboxes.clear()
    assert outboxes.size == 0
