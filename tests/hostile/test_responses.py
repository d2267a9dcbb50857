"""Stored responses: what refers to them costs by what it names, and one key's do not put out another's."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio
from pydantic_core import to_json

from tests.hostile.steps import watched_steps
from tests.http.world import Visitor, World, open_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

KEYS = ("key-of-one-client-of-the-tests", "key-of-another-client-of-the-tests")
MOST = 4.0
"""How much longer it may take to refer to items of a response with 16 times as many."""
FLOOR = 0.003
"""Seconds that a request takes by itself, and below which a measure is noise."""


@asynccontextmanager
async def answering(world: World, visitor: Visitor) -> AsyncIterator[None]:
    """A visitor whose question Lingma answers at the end of the block."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(visitor.visit)
        question = await world.peer.called("chat/ask")
        yield
        await world.peer.text(question, "Hi.", "")
        await world.peer.finish(question, "")


async def kept(world: World, items: list[dict[str, Any]], key: str = "") -> str:
    """The id of a response to these items."""
    headers = {"authorization": f"Bearer {key}"} if key else None
    visitor = world.visitor("POST", "/v1/responses", to_json({"input": items}), headers)
    async with answering(world, visitor):
        pass
    assert visitor.status == 200, visitor.body
    return str(visitor.json["id"])


async def referring(stored: int) -> float:
    """The longest task step, in seconds, of a request with 20 references to items of a response of so many."""
    async with open_world(max_request=10**7, max_stored=10**8) as world:
        await kept(world, [{"role": "user", "content": "x", "id": f"item-{number}"} for number in range(stored)])
        references = [{"type": "item_reference", "id": f"item-{number}"} for number in range(20)]
        visitor = world.visitor("POST", "/v1/responses", to_json({"input": references}), None)
        with watched_steps() as steps:
            async with answering(world, visitor):
                pass
        assert visitor.status == 200, visitor.body
        return steps.longest


async def test_a_reference_costs_what_it_names() -> None:
    """Promise: an item is found by its id, and what was kept beside it is not read again for each reference."""
    few, many = [min([await referring(stored) for _ in range(3)]) for stored in (500, 8000)]
    assert many < MOST * max(few, FLOOR)


async def test_a_small_request_cannot_stand_for_a_large_one(autojump_clock: MockClock) -> None:
    """Promise: what is referred to counts as if it had been sent, each time it is named."""
    with trio.fail_after(60):
        async with open_world(max_stored=10**7) as world:
            await kept(world, [{"role": "user", "content": "x" * 30_000, "id": "large"}])
            references = [{"type": "item_reference", "id": "large"}] * 4
            refused = world.visitor("POST", "/v1/responses", to_json({"input": references}), None)
            await refused.visit()
    assert (refused.status, refused.json["error"]["param"]) == (400, "input")


async def test_one_keys_responses_do_not_put_out_anothers() -> None:
    """Promise: whoever holds most makes room, whether by number or by bytes."""
    small, large = [{"role": "user", "content": size * "x"} for size in (10, 30_000)]
    async with open_world(keys=KEYS) as world:
        greedy, modest = KEYS
        mine = [await kept(world, [small], modest) for _ in range(3)]
        for item in (small, large):
            for _ in range(12):
                await kept(world, [item], greedy)
        for identity in mine:
            found = await world.call("GET", f"/v1/responses/{identity}", headers={"authorization": f"Bearer {modest}"})
            assert found.status == 200
