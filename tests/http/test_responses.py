"""Responses: what is sent, what is kept, for whom, and what a request may refer to."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from pydantic_core import from_json, to_json
from trio.testing import wait_all_tasks_blocked

from lingma_trio.policy.byte_budget import ByteBudget
from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.state.responses_store import StoreResponses
from tests.http.world import DownLink, Visitor, World, asking, open_world
from tests.instant_link import InstantLink

KEYS = ("key-of-one-client-of-the-tests", "key-of-another-client-of-the-tests")


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def responder(world: World, headers: dict[str, str] | None = None, **fields: object) -> Visitor:
    """Somebody with a request for a response."""
    return world.visitor("POST", "/v1/responses", to_json({"input": "Hello.", **fields}), headers)


async def answered(
    world: World, text: str = "Hi.", *, session: str = "s-1", headers: dict[str, str] | None = None, **fields: object
) -> tuple[dict[str, Any], ServerRequest]:
    """A finished response, and the question that reached Lingma for it."""
    visitor = responder(world, headers, **fields)
    async with asking(world, visitor) as question:
        await world.peer.text(question, text, session)
        await world.peer.finish(question, session)
    assert visitor.status == 200, visitor.body
    return visitor.json, question


def events(visitor: Visitor) -> list[dict[str, Any]]:
    """The stream's events."""
    blocks = [block for block in visitor.body.split(b"\n\n") if block.startswith(b"event: ")]
    return [from_json(block.partition(b"\ndata: ")[2]) for block in blocks]


async def test_whole_response() -> None:
    """Without `stream` there is one object, which can be had again by its id."""
    async with open_world() as world:
        made, question = await answered(world, instructions="Be brief.")
        assert "Be brief." in question.params["questionText"]
        again = await world.call("GET", f"/v1/responses/{made['id']}")
    assert (made["object"], made["status"], made["model"]) == ("response", "completed", "org_auto")
    assert made["output"][0]["content"][0]["text"] == "Hi."
    assert (again.status, again.json) == (200, made)


async def test_stream_passes_text_on_and_ends_properly() -> None:
    """Each piece is on its way before the next one has come, and the end is told and not cut off."""
    async with open_world() as world:
        visitor = responder(world, stream=True)
        async with asking(world, visitor) as question:
            await world.peer.text(question, "First")
            await visitor.until(b'"delta":"First"')
            assert b"response.completed" not in visitor.body
            await world.peer.finish(question)
    told = events(visitor)
    assert [told[0]["type"], told[-1]["type"]] == ["response.created", "response.completed"]
    assert visitor.complete


async def test_fault_in_mid_stream_is_a_failed_response() -> None:
    """It is told by the event that ends a failed response, the stream ends properly, and nothing is kept."""
    async with open_world() as world:
        visitor = responder(world, stream=True)
        async with asking(world, visitor) as question:
            await world.peer.text(question, "First")
            await visitor.until(b"First")
            await world.link.vanish()
        last = events(visitor)[-1]
        assert (last["type"], last["response"]["error"]["type"]) == ("response.failed", "upstream_lost")
        assert visitor.complete
        assert (await world.call("GET", f"/v1/responses/{last['response']['id']}")).code == "response_not_found"


async def test_fault_before_the_first_byte_has_a_status() -> None:
    """It comes in OpenAI's envelope."""
    async with open_world() as world:
        visitor = responder(world, stream=True)
        async with asking(world, visitor):
            await world.link.vanish()
    assert visitor.status == 502
    assert visitor.code == "upstream_lost"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_response_continues_the_one_before_it_in_its_session(stream: bool) -> None:
    """Only the newest message goes to Lingma, and what the two of them held can be listed."""
    async with open_world() as world:
        first, _ = await answered(world, "Two.", session="s-9", input="One?")
        visitor = responder(world, input="Three?", previous_response_id=first["id"], stream=stream)
        async with asking(world, visitor) as question:
            assert (question.params["sessionId"], question.params["questionText"]) == ("s-9", "Three?")
            await world.peer.text(question, "Four.", "s-9")
            await world.peer.finish(question, "s-9")
        assert world.services.sessions.counters.hits == 1
        second = events(visitor)[-1]["response"] if stream else visitor.json
        assert second["previous_response_id"] == first["id"]
        listed = await world.call("GET", f"/v1/responses/{second['id']}/input_items", query="order=asc")
        texts = [item["content"][0]["text"] for item in listed.json["data"]]
        assert texts == ["One?", "Two.", "Three?"]


async def test_a_deleted_response_is_gone_but_its_conversation_goes_on() -> None:
    """It can neither be shown nor continued; one that followed it can."""
    async with open_world() as world:
        first, _ = await answered(world, input="One?")
        second, _ = await answered(world, input="Two?", previous_response_id=first["id"])
        path = f"/v1/responses/{first['id']}"
        gone = await world.call("DELETE", path)
        assert gone.json == {"id": first["id"], "object": "response", "deleted": True}
        assert [(await world.call(method, path)).status for method in ("GET", "DELETE")] == [404, 404]
        refused = responder(world, previous_response_id=first["id"])
        await refused.visit()
        assert (refused.status, refused.code) == (400, "previous_response_not_found")
        await world.services.sessions.clear()
        _, question = await answered(world, input="Three?", previous_response_id=second["id"])
        assert "One?" in question.params["questionText"]


async def test_another_key_knows_nothing_of_it() -> None:
    """A response can be shown, listed, continued, referred to and deleted with the key that made it alone."""
    async with open_world(keys=KEYS) as world:
        mine, theirs = map(bearer, KEYS)
        made, _ = await answered(world, headers=mine)
        path = f"/v1/responses/{made['id']}"
        for method, where in (("GET", path), ("GET", f"{path}/input_items"), ("DELETE", path)):
            assert (await world.call(method, where, headers=theirs)).code == "response_not_found"
        reference = {"type": "item_reference", "id": made["output"][0]["id"]}
        for fields, code in (
            ({"previous_response_id": made["id"]}, "previous_response_not_found"),
            ({"input": [reference]}, "item_not_found"),
        ):
            visitor = responder(world, theirs, **fields)
            await visitor.visit()
            assert visitor.code == code
        assert (await world.call("GET", path, headers=mine)).status == 200
        assert (await world.call("GET", path)).code == "invalid_api_key"


async def test_items_can_be_referred_to() -> None:
    """What is kept stands in the place of a reference, and the session goes on."""
    async with open_world() as world:
        made, _ = await answered(world, "Two.", session="s-9", input="One?")
        reference = {"type": "item_reference", "id": made["output"][0]["id"]}
        items = [{"role": "user", "content": "One?"}, reference, {"role": "user", "content": "Three?"}]
        _, question = await answered(world, session="s-9", input=items)
        assert (question.params["sessionId"], question.params["questionText"]) == ("s-9", "Three?")


async def test_what_is_not_to_be_stored_is_not() -> None:
    """`store: false` leaves nothing to show."""
    async with open_world() as world:
        made, _ = await answered(world, store=False)
        assert made["store"] is False
        assert (await world.call("GET", f"/v1/responses/{made['id']}")).status == 404
        assert world.stored == 0


async def test_a_client_that_leaves_leaves_nothing_behind() -> None:
    """Lingma is told to stop, the slot is free, and no response is kept."""
    async with open_world() as world:
        visitor = responder(world, stream=True)
        async with asking(world, visitor) as question:
            await world.peer.text(question, "First")
            await visitor.until(b"First")
            visitor.leave()
            await world.peer.called("chat/stop")
        assert world.services.limiter.counts.in_flight == 0
        assert world.stored == 0


async def test_a_response_that_was_cut_is_incomplete_and_kept() -> None:
    """The token limit is an end that the client asked for."""
    async with open_world() as world:
        visitor = responder(world, max_output_tokens=2)
        async with asking(world, visitor) as question:
            await world.peer.text(question, "one two three four five six")
            await world.peer.called("chat/stop")
        assert visitor.json["status"] == "incomplete"
        assert visitor.json["incomplete_details"] == {"reason": "max_output_tokens"}
        assert (await world.call("GET", f"/v1/responses/{visitor.json['id']}")).status == 200


async def test_two_requests_of_one_id_are_two_responses() -> None:
    """A request's own id is the client's; a response's never depends on it."""
    async with open_world() as world:
        headers = {"x-request-id": "mine"}
        one, _ = await answered(world, headers=headers)
        two, _ = await answered(world, headers=headers)
    assert one["id"] != two["id"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=nothing", "after"),
        ("a=b&" * 101, "query"),
    ],
)
async def test_a_list_is_asked_for_properly(query: str, param: str) -> None:
    """What does not fit is named."""
    async with open_world() as world:
        made, _ = await answered(world)
        visitor = await world.call("GET", f"/v1/responses/{made['id']}/input_items", query=query)
    assert (visitor.status, visitor.json["error"]["param"]) == (400, param)


async def test_a_kept_response_is_not_streamed() -> None:
    """There is nothing to wait for; the client is told."""
    async with open_world() as world:
        made, _ = await answered(world)
        visitor = await world.call("GET", f"/v1/responses/{made['id']}", query="stream=true")
    assert (visitor.status, visitor.json["error"]["param"]) == (400, "stream")


async def test_waiting_stream_is_kept_alive_by_comments(autojump_clock: trio.testing.MockClock) -> None:
    """While Lingma thinks there are comments, and the response begins after them."""
    async with open_world(keepalive=15) as world:
        visitor = responder(world, stream=True)
        async with asking(world, visitor) as question:
            await trio.sleep(40)
            await wait_all_tasks_blocked()
            assert visitor.body == b": keep-alive\n\n" * 2
            await world.peer.text(question, "Hello.")
            await world.peer.finish(question)
    assert events(visitor)[0]["type"] == "response.created"


async def test_tokens_of_a_request_are_counted_without_lingma() -> None:
    """What it refers to counts too, and nothing is asked."""
    async with open_world(slots=1, max_queue=0) as world:
        world.instance.lives.state = "needs_login"
        world.instance.tell_models()
        short = await world.call("POST", "/v1/responses/input_tokens", to_json({"input": "Hello."}))
        long = await world.call("POST", "/v1/responses/input_tokens", to_json({"input": "Hello. " * 50}))
    assert short.json["object"] == "response.input_tokens"
    assert 0 < short.json["input_tokens"] < long.json["input_tokens"]


async def test_a_conversation_goes_on_from_its_summary() -> None:
    """It is written by a turn of its own, and stands in what is asked next."""
    async with open_world() as world:
        body = to_json({"input": [{"role": "user", "content": "My dog is Rex."}]})
        visitor = world.visitor("POST", "/v1/responses/compact", body)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            question = await world.peer.called("chat/ask")
            assert "My dog is Rex." in question.params["questionText"]
            await world.peer.text(question, "The user's dog is Rex.")
            await world.peer.finish(question)
        assert visitor.json["object"] == "response.compaction"
        again = [*visitor.json["output"], {"role": "user", "content": "Its name?"}]
        visitor = world.visitor("POST", "/v1/responses", to_json({"input": again}))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            question = await world.peer.called("chat/ask")
            assert "The user's dog is Rex." in question.params["questionText"]
            await world.peer.text(question, "Rex.")
            await world.peer.finish(question)
        assert visitor.status == 200


async def test_a_kept_response_is_summed_up_and_counted_without_input() -> None:
    """By its id alone, as OpenAI's client does; an answer is not to be had so, since nothing is asked."""
    async with open_world() as world:
        visitor = world.visitor("POST", "/v1/responses", to_json({"input": "My dog is Rex."}))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            question = await world.peer.called("chat/ask")
            await world.peer.text(question, "Hello, Rex.")
            await world.peer.finish(question)
        body = to_json({"previous_response_id": visitor.json["id"]})
        counted = await world.call("POST", "/v1/responses/input_tokens", body)
        assert counted.json["input_tokens"] > 0
        refused = await world.call("POST", "/v1/responses", body)
        assert (refused.status, refused.json["error"]["param"]) == (400, "input")
        visitor = world.visitor("POST", "/v1/responses/compact", body)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            question = await world.peer.called("chat/ask")
            assert "Sum up" in question.params["questionText"]
            await world.peer.text(question, "The user's dog is Rex.")
            await world.peer.finish(question)
        assert visitor.json["object"] == "response.compaction"


@pytest.mark.parametrize("stream", [False, True])
async def test_without_its_store_only_what_is_kept_there_is_missing(stream: bool) -> None:
    """Promise: who wants it is told when to ask again, and an answer that cannot be kept is given."""
    async with open_world() as world:
        world.services.responses = StoreResponses(DownLink(), max_entries=10, max_bytes=10_000, ttl=10)
        visitor = responder(world, stream=stream)
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Hi.")
            await world.peer.finish(question)
        assert visitor.status == 200
        again = [
            responder(world, previous_response_id="resp_1"),
            responder(world, input=[{"type": "item_reference", "id": "msg_1"}]),
            *(world.visitor("GET", f"/v1/responses/resp_1{path}") for path in ("", "/input_items")),
            world.visitor("DELETE", "/v1/responses/resp_1"),
        ]
        for each in again:
            await each.visit()
            assert (each.status, each.json["error"]["code"]) == (503, "state_unavailable")
            assert each.headers["retry-after"] == "1"


async def test_what_is_brought_from_a_store_counts_before_it_is() -> None:
    """Promise: who asks for much at once is told to wait, before the gateway has it all in memory."""
    link = InstantLink()
    link.restart()
    async with open_world() as world:
        world.services.responses = StoreResponses(link, max_entries=10, max_bytes=100_000, ttl=10)
        made, _ = await answered(world, input="x" * 1000)
        assert (await world.call("GET", f"/v1/responses/{made['id']}")).status == 200
        assert world.services.byte_budget.held == 0
        world.services.byte_budget = ByteBudget(1000)
        for path in ("", "/input_items"):
            full = await world.call("GET", f"/v1/responses/{made['id']}{path}")
            assert (full.status, full.code) == (503, "bytes_in_flight_exceeded")
        goes_on = responder(world, previous_response_id=made["id"])
        await goes_on.visit()
        assert (goes_on.status, goes_on.code) == (503, "bytes_in_flight_exceeded")
        assert world.services.byte_budget.held == 0
