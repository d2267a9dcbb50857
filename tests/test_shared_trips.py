"""How often a request at a gateway that shares a store waits for it: three times, and what goes with what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from pydantic_core import to_json
from trio.testing import MockClock

from lingma_trio.keys.key import ApiKey, digest_of
from tests.http.world import Visitor, World, asking, open_world
from tests.instant_link import InstantLink
from tests.state.cut_link import CutLink

ANN = ApiKey("ann", digest_of("sk-ann"), max_in_flight=1, requests_per_minute=600, tokens_per_minute=6000)
AS_ANN = {"authorization": "Bearer sk-ann"}


def new_store() -> InstantLink:
    """One with nothing in it."""
    store = InstantLink()
    store.restart()
    return store


@asynccontextmanager
async def gateway(store: InstantLink | None = None) -> AsyncIterator[tuple[World, CutLink]]:
    """One whose keys have every limit, and the link that notes its trips."""
    link = CutLink(store or new_store())
    async with open_world(keys=(ANN,), store=link) as world:
        yield world, link


async def answer(world: World, path: str, **fields: Any) -> tuple[Visitor, str]:  # noqa: ANN401 - whatever JSON holds
    """Have a request answered; also returns the session in which it was asked."""
    visitor = world.visitor("POST", path, to_json({"model": "auto", **fields}), AS_ANN)
    async with asking(world, visitor) as question:
        session: str = question.params["sessionId"]
        await world.peer.text(question, "Well.", "s-9")
        await world.peer.finish(question, "s-9")
    assert visitor.status == 200
    return visitor, session


async def test_a_chat_makes_three_trips(autojump_clock: MockClock) -> None:
    """The request's bucket; place and tokens, with the claim; what is owed, with the commit. Streamed or not."""
    opening = [{"role": "user", "content": "Hi."}]
    later = [*opening, {"role": "assistant", "content": "Well."}, {"role": "user", "content": "And?"}]
    async with gateway() as (world, link):
        await answer(world, "/v1/chat/completions", messages=opening)
        assert link.trips == [["dues"], ["dues"], ["sessions", "dues"]]
        link.trips.clear()
        _, session = await answer(world, "/v1/chat/completions", messages=later, stream=True)
        assert session == "s-9"
        assert link.trips == [["dues"], ["dues", "sessions"], ["sessions", "dues"]]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_response_that_is_kept_makes_three_trips(*, stream: bool) -> None:
    """It is kept in the one with which everything else of it becomes known; one that it follows is a trip to find."""
    last = ["sessions", "dues", "responses"]
    async with gateway() as (world, link):
        first, _ = await answer(world, "/v1/responses", input="Hi.")
        assert link.trips == [["dues"], ["dues"], last]
        link.trips.clear()
        before = first.json["id"]
        _, session = await answer(world, "/v1/responses", input="And?", previous_response_id=before, stream=stream)
        assert session == "s-9"
        assert link.trips == [["dues"], ["responses"], ["dues", "sessions"], last]


async def test_a_claim_that_has_to_be_judged_makes_one_trip_more(autojump_clock: MockClock) -> None:
    """A question that came back shorter is looked at here before its session is taken."""
    opening = [{"role": "user", "content": "Hi.\n\nRules: be brief."}]
    shorter = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Well."}]
    async with gateway() as (world, link):
        await answer(world, "/v1/chat/completions", messages=opening)
        link.trips.clear()
        later = [*shorter, {"role": "user", "content": "And?"}]
        _, session = await answer(world, "/v1/chat/completions", messages=later)
        assert session == "s-9"
        assert link.trips == [["dues"], ["dues", "sessions"], ["sessions"], ["sessions", "dues"]]


async def test_a_miss_is_counted_once_however_long_a_place_is_waited_for(autojump_clock: MockClock) -> None:
    """Who has nothing to give back while it stands back does not ask for a session again."""
    store = new_store()
    unknown = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "?"},
        {"role": "user", "content": "!"},
    ]
    async with (
        gateway(store) as (one, _),
        gateway(store) as (other, link),
        trio.open_nursery() as nursery,
        asking(one, one.asker("Hi.", AS_ANN)) as question,
    ):
        nursery.start_soon(partial(answer, other, "/v1/chat/completions", messages=unknown))
        await trio.sleep(1)
        assert len(link.trips) > 3, "it asks for its place again and again"
        await one.peer.finish(question)
    assert other.services.sessions.counters.misses == {"no_entry": 1}
    assert sum(trip.count("sessions") for trip in link.trips) == 2, "the claim and the commit"
