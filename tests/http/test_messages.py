"""Conversations of Anthropic's API that are kept: for whom, how they go on, and what a client is told of them."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from pydantic_core import to_json

from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.state.responses_memory import MemoryResponses
from lingma_trio.state.responses_store import StoreResponses
from tests.http.world import DownLink, Visitor, World, open_world

KEYS = ("key-of-one-client-of-the-tests", "key-of-another-client-of-the-tests")
SAID = {"messages": [{"role": "user", "content": "Hello."}]}
CREATE = {**SAID, "system": "Be brief.", "thread": {"type": "create"}}


def visitor(world: World, fields: dict[str, Any], key: str = "", path: str = "/v1/messages") -> Visitor:
    """Somebody with a request."""
    return world.visitor("POST", path, to_json({"max_tokens": 99, **fields}), {"x-api-key": key} if key else None)


async def answered(
    world: World, fields: dict[str, Any], text: str = "Hi.", key: str = ""
) -> tuple[Visitor, ServerRequest]:
    """A finished answer, and the question that reached Lingma for it."""
    asking = visitor(world, fields, key)
    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking.visit)
            question = await world.peer.called("chat/ask")
            await world.peer.text(question, text, "s-1")
            await world.peer.finish(question, "s-1")
    assert asking.status == 200, asking.body
    return asking, question


def on(identity: str, text: str = "And now?", **fields: object) -> dict[str, Any]:
    """What goes on from an answer."""
    thread = {"type": "continue", "previous_message_id": identity}
    return {"messages": [{"role": "user", "content": text}], "thread": thread, **fields}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_thread_goes_on_from_its_answers(stream: bool) -> None:
    """Promise: a client that sends only what is new is answered out of all of it, twice from one answer."""
    async with open_world() as world:
        made, _ = await answered(world, {**CREATE, "stream": stream}, "The sea is blue.")
        identity = "msg_" + made.body.partition(b'"id":"msg_')[2].partition(b'"')[0].decode()
        for question in ("And the sky?", "And the grass?"):
            await answered(world, on(identity, question))
        assert world.stored == 3
        counted = await world.call("POST", "/v1/messages/count_tokens", to_json(on(identity)))
        plain = await world.call("POST", "/v1/messages/count_tokens", to_json({"messages": on(identity)["messages"]}))
    assert counted.json["input_tokens"] > plain.json["input_tokens"]


async def test_a_thread_is_its_own_clients() -> None:
    """Promise: another key, an unknown id and a response's id are told alike, by the code that SDKs replay on."""
    async with open_world(keys=KEYS) as world:
        made, _ = await answered(world, CREATE, key=KEYS[0])
        for identity, key in ((made.json["id"], KEYS[1]), ("msg_1", KEYS[0]), ("resp_1", KEYS[0])):
            lost = visitor(world, on(identity), key)
            await lost.visit()
            assert (lost.status, lost.json["error"]["type"]) == (404, "not_found_error")
            assert lost.json["error"]["details"]["error_code"] == "thread_not_found"
        read = await world.call("GET", f"/v1/responses/{made.json['id']}", headers={"x-api-key": KEYS[0]})
        assert read.status == 404


async def test_what_is_created_is_not_repeated() -> None:
    """A request that continues names none of what the thread has from its beginning."""
    async with open_world() as world:
        made, _ = await answered(world, CREATE)
        wrong = visitor(world, on(made.json["id"], system="Be long."))
        await wrong.visit()
    assert wrong.status == 400
    assert "system" in wrong.json["error"]["message"]


async def test_where_nothing_is_kept_a_thread_is_refused() -> None:
    """Promise: tool runners go on without a thread where there can be none."""
    async with open_world() as world:
        world.services.responses = MemoryResponses(max_entries=0, max_bytes=0, ttl=1)
        refused = visitor(world, CREATE)
        await refused.visit()
    assert refused.status == 400
    assert refused.json["error"]["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


async def test_without_a_thread_nothing_is_kept() -> None:
    """Only who asks for it has a conversation kept."""
    async with open_world() as world:
        await answered(world, SAID)
        assert not world.stored


async def test_without_its_store_a_thread_is_not_found() -> None:
    """Promise: SDKs then send all of it, which is answered."""
    async with open_world() as world:
        world.services.responses = StoreResponses(DownLink(), max_entries=10, max_bytes=10_000, ttl=10)
        lost = visitor(world, on("msg_1"))
        await lost.visit()
        assert (lost.status, lost.json["error"]["details"]["error_code"]) == (404, "thread_not_found")
        await answered(world, CREATE)
