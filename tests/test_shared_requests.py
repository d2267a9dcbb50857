"""Whole requests at gateways that share a store: how often it is asked, and that a key has no more than is its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from pydantic_core import to_json
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import StateDown
from lingma_trio.http.ledger import JOINING
from lingma_trio.keys.key import ApiKey, digest_of
from lingma_trio.state.link import REQUEST_BUDGET, Budget, Call, Link
from lingma_trio.state.places_store import RENEWAL
from tests.http.world import DownLink, Visitor, World, asking, open_world
from tests.instant_link import InstantLink
from tests.state.cut_link import CutLink

ANN = ApiKey("ann", digest_of("sk-ann"), max_in_flight=1, requests_per_minute=600, tokens_per_minute=6000)
BOB = ApiKey("bob", digest_of("sk-bob"))
AS_ANN, AS_BOB = {"authorization": "Bearer sk-ann"}, {"authorization": "Bearer sk-bob"}
SOON = 0.2  # longer than whoever was refused waits until it asks again


def new_store() -> InstantLink:
    """One with nothing in it."""
    store = InstantLink()
    store.restart()
    return store


def responder(world: World, text: str = "Hi.", **fields: Any) -> Visitor:  # noqa: ANN401 - whatever JSON holds
    """Somebody who asks for a response that is kept."""
    body = {"model": "auto", "input": text, **fields}
    return world.visitor("POST", "/v1/responses", to_json(body), AS_ANN)


def chatter(world: World, text: str = "Hi.", **fields: Any) -> Visitor:  # noqa: ANN401
    """Somebody who asks for a chat."""
    return world.asker(text, AS_ANN, **fields)


@asynccontextmanager
async def gateway(link: Link, **options: Any) -> AsyncIterator[World]:  # noqa: ANN401 - as `open_world`
    """One that shares the store at the other end of the link."""
    async with open_world(keys=(ANN, BOB), store=link, **options) as world, trio.open_nursery() as nursery:
        assert world.services.rates is not None
        await begin(nursery, world.services.rates.keeper.run)
        yield world
        nursery.cancel_scope.cancel("tested")


async def begin(nursery: trio.Nursery, run: Callable[[], Awaitable[None]]) -> None:
    nursery.start_soon(run)
    await wait_all_tasks_blocked()


async def answer(world: World, visitor: Visitor, text: str = "Well.") -> Visitor:
    """Have a visitor answered."""
    async with asking(world, visitor) as question:
        await world.peer.text(question, text)
        await world.peer.finish(question)
    return visitor


def in_flight(world: World) -> int:
    assert world.services.rates is not None
    tenant = world.services.gatekeeper.tenants.find(ANN.digest)
    assert tenant is not None
    return world.services.rates.keeper.holding(tenant.id)


async def test_a_place_is_waited_for_and_others_go_first(autojump_clock: MockClock) -> None:
    """What a key has at one gateway it has not at another; the slot is for other keys meanwhile."""
    store = new_store()
    async with (
        gateway(CutLink(store)) as one,
        gateway(CutLink(store), slots=1) as other,
        trio.open_nursery() as nursery,
    ):
        async with asking(one, chatter(one)) as question:
            waiting = chatter(other)
            nursery.start_soon(waiting.visit)
            await trio.sleep(SOON)
            await answer(other, other.asker(headers=AS_BOB))
            assert (waiting.status, in_flight(one), in_flight(other)) == (0, 1, 0)
            await one.peer.finish(question)
        again = await other.peer.called("chat/ask")
        await other.peer.text(again, "Well.")
        await other.peer.finish(again)
        await waiting.done.wait()
        assert waiting.status == 200
        assert (in_flight(one), in_flight(other)) == (0, 0)


async def test_a_place_that_does_not_come_is_waited_for_as_a_slot_is(autojump_clock: MockClock) -> None:
    """Until the queue timeout, which says so."""
    store = new_store()
    async with gateway(CutLink(store)) as one, gateway(CutLink(store)) as other:
        async with asking(one, chatter(one)) as question:
            refused = chatter(other)
            await refused.visit()
            assert (refused.status, refused.code) == (429, "queue_timeout")
            assert trio.current_time() == pytest.approx(30)
            await one.peer.finish(question)
        assert other.services.limiter.counts.in_flight == other.services.limiter.counts.queued == 0


async def test_a_client_that_leaves_gives_its_place_back(autojump_clock: MockClock) -> None:
    """At once, wherever it was."""
    store = new_store()
    async with gateway(CutLink(store)) as one, gateway(CutLink(store)) as other:
        visitor = chatter(one, stream=True)
        async with asking(one, visitor) as question:
            await one.peer.text(question, "Half")
            await visitor.until(b"Half")
            visitor.leave()
            await one.peer.called("chat/stop")
        await trio.sleep(SOON)
        assert in_flight(one) == 0
        assert (await answer(other, chatter(other))).status == 200
        assert trio.current_time() < RENEWAL


async def test_a_slow_reader_holds_no_place(autojump_clock: MockClock) -> None:
    """Not even of an answer that is kept when its client has it."""
    store = new_store()
    async with gateway(CutLink(store)) as one, gateway(CutLink(store)) as other:
        visitor = responder(one, stream=True)
        async with asking(one, visitor) as question:
            await one.peer.text(question, "Half")
            await visitor.until(b"Half")
            visitor.stop_reading()
            await one.peer.text(question, " and half")
            await one.peer.finish(question)
            await trio.sleep(2 * JOINING)
            assert (await answer(other, chatter(other))).status == 200
            visitor.read_on()
        assert visitor.complete


async def test_used_up_tokens_are_refused_before_anything_is_asked(autojump_clock: MockClock) -> None:
    """Whichever gateway let them be used; the response says what is left by the store's word."""
    store = new_store()
    async with gateway(CutLink(store)) as one, gateway(CutLink(store)) as other:
        used = await answer(one, chatter(one, "x" * 20_000))
        assert int(used.headers["x-ratelimit-remaining-tokens"]) < 1000
        refused = chatter(other, "x" * 20_000)
        await refused.visit()
        assert (refused.status, refused.code) == (429, "token_limit_exceeded")
        assert int(refused.headers["retry-after"]) > 30
        assert in_flight(other) == 0


async def test_without_the_store_requests_are_answered_at_once(autojump_clock: MockClock) -> None:
    """Within this gateway's share of the limits, and nobody waits."""
    async with gateway(DownLink()) as world:
        async with asking(world, chatter(world)) as question:
            assert trio.current_time() == 0
            assert in_flight(world) == 1
            await world.peer.finish(question)
        assert in_flight(world) == 0


class SilentLink:
    """The way to a store that takes everything and says nothing, before anybody doubts it."""

    replicas = 2
    up = True

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        assert budget is not None, f"{calls} have no bound of their request"
        left = budget.left
        await trio.sleep(left)
        budget.spend(left)
        raise StateDown("silence", retry_after=1)


@pytest.mark.parametrize("ask", [chatter, responder])
async def test_a_silent_store_is_waited_for_once(ask: Callable[..., Visitor], autojump_clock: MockClock) -> None:
    """All that a request waits for it, for whatever, is its one budget; it is answered, and holds nothing then."""
    async with gateway(SilentLink()) as world:
        visitor = await answer(world, ask(world))
        assert visitor.status == 200
        assert trio.current_time() == pytest.approx(REQUEST_BUDGET)
        assert in_flight(world) == 0
