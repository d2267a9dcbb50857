"""Clients that read slowly or not at all: they cost the memory of their own answer, for a bounded time, and no slot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.protocol.jsonrpc import ServerRequest
from tests.hostile.steps import watched_steps
from tests.http.world import Visitor, World, open_world

each_form = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@asynccontextmanager
async def stuck(world: World, **fields: Any) -> AsyncIterator[tuple[Visitor, ServerRequest]]:  # noqa: ANN401
    """A visitor that reads nothing of its answer, and the question that reached Lingma; ends with its last byte."""
    visitor = world.asker("One?", **fields)
    visitor.stop_reading()
    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            yield visitor, await world.peer.called("chat/ask")


async def answered(world: World, question: ServerRequest, text: str = "Two.") -> None:
    """Lingma has given its whole answer, and everybody has done what can be done about it."""
    await world.peer.text(question, text, "s-9")
    await world.peer.finish(question, "s-9")
    await wait_all_tasks_blocked()


@each_form
async def test_slot_and_session_end_with_the_turn(stream: bool) -> None:
    """Slot, instance and session are done with when Lingma is; the next one is served, and the answer waits."""
    async with open_world(slots=1) as world:
        async with stuck(world, stream=stream) as (visitor, question):
            await answered(world, question)
            assert world.services.limiter.counts.in_flight == 0
            assert world.instance.turns == 0
            assert world.services.sessions.counters.commits["kept"] == 1
            assert world.services.byte_budget.held == 0
            assert visitor.status == 0
            second = world.asker("Three?")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(second.visit)
                await answered(world, await world.peer.called("chat/ask"), "Four.")
            assert second.status == 200
            visitor.read_on()
        assert visitor.complete
        assert b"Two." in visitor.body
        assert world.sample("requests_total", route="chat", outcome="ok") == 2


@each_form
async def test_departure_from_a_complete_answer(stream: bool) -> None:
    """The session holds a complete answer and is kept; the request counts as one whose client left."""
    async with open_world() as world:
        async with stuck(world, stream=stream) as (visitor, question):
            await answered(world, question)
            visitor.leave()
        assert world.services.sessions.counters.commits["kept"] == 1
        assert world.sample("cancellations_total", stage="delivering") == 1
        assert world.sample("requests_total", route="chat", outcome="cancelled") == 1
        assert world.sample("requests_total", route="chat", outcome="ok") == 0
    assert not visitor.complete


@each_form
async def test_departure_that_the_last_write_finds(stream: bool) -> None:
    """A client that was found to have left by the write of the answer's end did not get its answer."""
    async with open_world() as world:
        async with stuck(world, stream=stream) as (visitor, question):
            visitor.leave_at(b"[DONE]" if stream else b"Two.")
            visitor.read_on()
            await answered(world, question)
        assert world.services.sessions.counters.commits["kept"] == 1
        assert world.sample("cancellations_total", stage="delivering") == 1
        assert world.sample("requests_total", route="chat", outcome="cancelled") == 1
    assert not visitor.complete


@each_form
async def test_departure_with_the_whole_answer(stream: bool) -> None:
    """A client that hangs up on the last byte of its answer, and not on the end of the response, got it."""
    async with open_world() as world:
        async with stuck(world, stream=stream) as (visitor, question):
            visitor.leave_after(b"data: [DONE]\n\n" if stream else b"}}}")
            visitor.read_on()
            await answered(world, question)
        assert world.sample("cancellations_total", stage="delivering") == 0
        assert world.sample("requests_total", route="chat", outcome="ok") == 1
    assert visitor.complete


@pytest.mark.parametrize("finished", [False, True], ids=["under way", "complete"])
@each_form
async def test_delivery_has_a_ceiling(stream: bool, finished: bool, autojump_clock: MockClock) -> None:
    """It ends CLIENT_STALL_SEC after GATEWAY_REQUEST_TIMEOUT, however little is taken at a time."""
    async with open_world(request_timeout=3) as world:
        began = trio.current_time()
        async with stuck(world, stream=stream) as (visitor, question):
            if finished:
                await answered(world, question)
            else:
                await world.peer.text(question, "Half of")
            await visitor.done.wait()
        assert trio.current_time() - began == pytest.approx(23, abs=0.1)
        assert world.services.limiter.counts.in_flight == 0
        assert world.sample("requests_total", route="chat", outcome="ok") == 0
    assert not visitor.complete


async def test_drain_ends_deliveries(autojump_clock: MockClock) -> None:
    """When the grace of a shutdown is over, nobody waits for a slow reader any longer."""
    async with open_world() as world:
        async with stuck(world, stream=True) as (visitor, question):
            await answered(world, question)
            began = trio.current_time()
            world.services.ceiling.drain(5)
            await visitor.done.wait()
        assert 5 <= trio.current_time() - began < 6
    assert not visitor.complete


async def test_answer_that_is_too_long_stops_lingma_whoever_reads() -> None:
    """Lingma is told to stop with the delta that is too much, nothing more is kept, and the slot is free."""
    async with open_world(slots=1) as world:
        async with stuck(world, stream=True) as (visitor, question):
            for _ in range(11):
                await world.peer.text(question, "#" * 10_000)
            stop = await world.peer.called("chat/stop")
            assert stop.params["requestId"] == question.params["requestId"]
            await wait_all_tasks_blocked()
            assert world.instance.turns == 0
            assert world.services.limiter.counts.in_flight == 0
            visitor.read_on()
        assert 90_000 <= visitor.body.count(b"#") <= 100_000
        assert b'"code":"upstream_answer_too_long"' in visitor.body
    assert not visitor.complete


async def test_slow_reader_gets_few_large_pieces() -> None:
    """What came while nothing was read leaves at once."""
    async with open_world() as world:
        async with stuck(world, stream=True) as (visitor, question):
            for _ in range(1000):
                await world.peer.text(question, "word ")
            await answered(world, question, "end.")
            visitor.read_on()
        assert visitor.body.count(b"word ") == 1000
        assert visitor.body.count(b"data: ") < 10


LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
PROSE = "Some words and `code`.\n" * 50


async def answer_at_length(world: World, question: ServerRequest, size: int, text: str) -> None:
    """Lingma has answered with `text` again and again, up to `size` characters."""
    about = {"requestId": question.params["requestId"], "sessionId": "s-9"}
    push = world.peer.rpc.notify("chat/answer", {**about, "text": text})
    for _ in range(0, size, 100 * len(text)):
        await world.peer.send(push * 100)
        await wait_all_tasks_blocked()


@pytest.mark.parametrize("tools", [[], [LOOK]], ids=["plain", "tools"])
@each_form
async def test_long_answer_is_read_and_told_in_short_steps(stream: bool, tools: list[Any]) -> None:
    """Nobody waits long for a client that takes a long answer late, not even where calls are looked for in it."""
    fields = {"stream": stream, **({"tools": tools} if tools else {})}
    async with open_world(max_answer=8_000_000, max_bytes=20_000_000) as world:
        async with stuck(world, **fields) as (visitor, question):
            with watched_steps() as steps:
                await answer_at_length(world, question, 2_000_000, PROSE)
                await answered(world, question)
                visitor.read_on()
                await visitor.done.wait()
        assert visitor.complete
    assert steps.longest < 0.2, steps


@each_form
async def test_unread_answers_have_a_budget_of_bytes(stream: bool) -> None:
    """What waits for clients that do not read counts as bytes under way; of what has no room nothing is kept."""
    async with open_world(max_answer=1_000_000, max_bytes=600_000) as world:
        async with AsyncExitStack() as crowd:
            visitors = []
            for _ in range(4):
                visitor, question = await crowd.enter_async_context(stuck(world, stream=stream))
                await answer_at_length(world, question, 60_000, "语" * 600)  # no more than is digested at once
                await answered(world, question)
                visitors.append(visitor)
            assert world.services.limiter.counts.in_flight == 0
            assert 200_000 < world.services.byte_budget.held <= 300_000
            for visitor in visitors:
                visitor.read_on()
        told = [b"bytes_in_flight_exceeded" in visitor.body for visitor in visitors]
        assert told == [False, *told[1:-1], True]
        assert visitors[0].complete
        assert world.services.byte_budget.held == 0
