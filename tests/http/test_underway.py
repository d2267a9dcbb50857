"""A request that the operator cancels: told to its client as an error on every surface, and never as an end."""

from __future__ import annotations

import pytest
import trio
from pydantic_core import to_json
from trio.testing import wait_all_tasks_blocked

from lingma_trio.errors import CancelledByOperator
from lingma_trio.http.exchange import Exchange
from tests.http.page.browsing import ADMIN
from tests.http.world import Visitor, World, open_world

CODE = "cancelled_by_operator"
OPERATOR = {"authorization": f"Bearer {ADMIN}"}
SAID = [{"role": "user", "content": "Hello."}]
SURFACES: dict[str, dict[str, object]] = {
    "/v1/chat/completions": {"messages": SAID},
    "/v1/completions": {"prompt": "Hello."},
    "/v1/messages": {"messages": SAID, "max_tokens": 100},
    "/v1/responses": {"input": "Hello."},
    "/api/chat": {"messages": SAID},
}
TOLD = {"/api/chat": "the operator of this gateway cancelled the request"}
"""What is told where a surface has no codes."""
ENDS = (b'"finish_reason":"stop"', b"[DONE]", b"message_stop", b"end_turn", b"response.completed", b'"done":true')


def asker(world: World, path: str, *, stream: bool, request: str = "req_mine") -> Visitor:
    body = {"model": "auto", "stream": stream, **SURFACES[path]}
    return world.visitor("POST", path, to_json(body), {"x-request-id": request})


async def cancel(world: World, request: str = "req_mine") -> Visitor:
    return await world.call("POST", f"/internal/requests/{request}/cancel", headers=OPERATOR)


@pytest.mark.parametrize("path", sorted(SURFACES))
async def test_stream_is_told_of_the_cancellation(path: str) -> None:
    """In the surface's own envelope; upstream is told to stop, the slot is free, and no session is remembered."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        visitor = asker(world, path, stream=True)
        nursery.start_soon(visitor.visit)
        question = await world.peer.called("chat/ask")
        await world.peer.text(question, "A beginning")
        await visitor.until(b"A beginning")
        assert (await cancel(world)).json == {"cancelled": ["req_mine"]}
        await world.peer.called("chat/stop")
        await visitor.done.wait()
        assert world.services.limiter.counts.in_flight == 0
        assert len(world.services.sessions) == len(world.services.underway) == 0
        assert [line.outcome for line in world.services.recent.lines] == [CODE]
        assert world.services.recent.failures == ()
    assert TOLD.get(path, CODE).encode() in visitor.body
    assert not [end for end in ENDS if end in visitor.body]


@pytest.mark.parametrize("path", sorted(SURFACES))
async def test_whole_answer_becomes_an_error(path: str) -> None:
    """With a status that says so, and that asking again by itself is of no use."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        visitor = asker(world, path, stream=False)
        nursery.start_soon(visitor.visit)
        await world.peer.called("chat/ask")
        await cancel(world)
        await visitor.done.wait()
    assert (visitor.status, visitor.headers["x-should-retry"]) == (409, "false")
    assert TOLD.get(path, CODE).encode() in visitor.body


async def test_request_in_the_queue_leaves_it() -> None:
    """Without a question to Lingma, and by the id that only the gateway knows as well."""
    async with open_world(admin=ADMIN, slots=1) as world, trio.open_nursery() as nursery, world.services.limiter.slot():
        visitor = asker(world, "/v1/chat/completions", stream=True)
        nursery.start_soon(visitor.visit)
        await wait_all_tasks_blocked()
        (entry,) = world.services.underway
        assert (entry.exchange.progress.stage, entry.model) == ("queued", "auto")
        await cancel(world, entry.exchange.head.id)
        await visitor.done.wait()
        assert world.services.limiter.counts.queued == 0
    assert (visitor.status, visitor.code) == (409, CODE)


async def test_answer_that_waits_to_be_read_is_cut_off() -> None:
    """Its client took nothing for long: what it has by then does not look complete."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        visitor = asker(world, "/v1/chat/completions", stream=True)
        nursery.start_soon(visitor.visit)
        question = await world.peer.called("chat/ask")
        await world.peer.text(question, "A beginning")
        await visitor.until(b"A beginning")
        visitor.stop_reading()
        await world.peer.text(question, " and an end")
        await world.peer.finish(question)
        await wait_all_tasks_blocked()
        await cancel(world)
        await visitor.done.wait()
        assert [line.outcome for line in world.services.recent.lines] == [CODE]
    assert not visitor.complete
    assert not [end for end in ENDS if end in visitor.body]


async def test_answer_of_which_nothing_was_sent_becomes_an_error() -> None:
    """Also where nothing makes it any more, so that its client is told instead of hung up on."""
    async with open_world() as world:
        visitor = asker(world, "/v1/messages", stream=False)
        exchange = Exchange("chat", visitor.scope, visitor.receive, visitor.send)

        async def be_cancelled() -> None:
            with world.services.underway.open(exchange, "auto") as entry, trio.CancelScope() as delivery:
                entry.deliver_in(delivery)
                world.services.underway.cancel("req_mine")
                await trio.sleep_forever()

        with pytest.raises(CancelledByOperator):
            await be_cancelled()


async def test_two_requests_of_one_id_are_both_cancelled() -> None:
    """A client may give its id twice, and the operator cannot tell them apart by it."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        visitors = [asker(world, "/v1/chat/completions", stream=False) for _ in range(2)]
        for visitor in visitors:
            nursery.start_soon(visitor.visit)
            await world.peer.called("chat/ask")
        assert (await cancel(world)).json == {"cancelled": ["req_mine", "req_mine"]}
        for visitor in visitors:
            await visitor.done.wait()
            assert visitor.code == CODE


async def test_only_the_operator_cancels_and_only_what_is_there() -> None:
    """A key is not enough, and what has ended is not found."""
    async with open_world(admin=ADMIN, keys=("key",)) as world:
        visitor = await world.call("POST", "/internal/requests/x/cancel", headers={"authorization": "Bearer key"})
        assert visitor.status == 404
        missing = await cancel(world, "req_gone")
    assert (missing.status, missing.code) == (404, "not_found")
    assert "may have ended" in missing.json["error"]["message"]


async def test_deltas_and_stages_are_counted() -> None:
    """While it runs, so that who looks sees it move."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        visitor = asker(world, "/v1/chat/completions", stream=True)
        nursery.start_soon(visitor.visit)
        question = await world.peer.called("chat/ask")
        await world.peer.text(question, "One")
        await visitor.until(b"One")
        await world.peer.text(question, "Two")
        await visitor.until(b"Two")
        (entry,) = world.services.underway
        assert (entry.exchange.progress.deltas, list(entry.exchange.progress.entered)) == (
            2,
            ["queued", "waiting", "streaming"],
        )
        await world.peer.finish(question)
