"""Several answers to one request: turns that share a ticket, choices in their places, one end for all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import trio
from pydantic_core import from_json, to_json
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.keys.key import ApiKey, parse_api_keys
from tests.http.world import Visitor, open_world


@asynccontextmanager
async def visiting(visitor: Visitor) -> AsyncIterator[None]:
    """A visitor that is being served, until the last byte."""
    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            yield


def chunks(visitor: Visitor) -> list[dict[str, object]]:
    """What a stream's choices say, in the order in which it came."""
    events = [block.removeprefix(b"data: ") for block in visitor.body.split(b"\n\n") if block.startswith(b"data: {")]
    return [choice for event in events for choice in from_json(event).get("choices", ())]


async def test_choices_stream_side_by_side() -> None:
    """With a slot for each, pieces leave as they come, under the index of their choice, and the end is one."""
    async with open_world() as world:
        visitor = world.asker(stream=True, n=2, stream_options={"include_usage": True})
        async with visiting(visitor):
            first = await world.peer.called("chat/ask")
            second = await world.peer.called("chat/ask")
            await world.peer.text(first, "one")
            await visitor.until(b'{"index":0,"delta":{"content":"one"}')
            await world.peer.text(second, "two")
            await visitor.until(b'{"index":1,"delta":{"content":"two"}')
            await world.peer.finish(second)
            await visitor.until(b'"finish_reason":"stop"')
            assert b"[DONE]" not in visitor.body
            await world.peer.text(first, " more")
            await world.peer.finish(first)
        assert [choice["index"] for choice in chunks(visitor) if choice["finish_reason"]] == [1, 0]
        assert visitor.body.count(b"[DONE]") == 1
        assert visitor.body.count(b'"prompt_tokens"') == 1
        assert world.services.limiter.counts.in_flight == 0
        assert len(world.services.sessions) == 0


async def test_one_slot_makes_one_after_another() -> None:
    """The request waits in the queue once, however many answers it wants and however full the queue is."""
    async with open_world(slots=1, max_queue=0) as world:
        visitor = world.asker(n=2)
        async with visiting(visitor):
            for text in ("one", "two"):
                question = await world.peer.called("chat/ask")
                await wait_all_tasks_blocked()
                assert world.services.limiter.counts.in_flight == 1
                await world.peer.text(question, text)
                await world.peer.finish(question)
        assert visitor.status == 200
        told = visitor.json["choices"]
        assert [(choice["index"], choice["message"]["content"]) for choice in told] == [(0, "one"), (1, "two")]


async def test_failure_of_one_ends_the_others(autojump_clock: MockClock) -> None:
    """The whole request fails with its fault, and Lingma is told to stop what still runs."""
    async with open_world() as world:
        visitor = world.asker(n=2)
        async with visiting(visitor):
            failing = await world.peer.called("chat/ask")
            other = await world.peer.called("chat/ask")
            await world.peer.text(other, "half")
            await world.peer.text(failing, "half")
            await world.peer.finish(failing, status=500)
            stopped = await world.peer.called("chat/stop")
        assert stopped.params["requestId"] == other.params["requestId"]
        assert visitor.status == 502
        assert world.services.limiter.counts.in_flight == 0


async def test_departure_ends_all(autojump_clock: MockClock) -> None:
    """A client that leaves stops every one of its turns."""
    async with open_world() as world:
        visitor = world.asker(stream=True, n=3)
        async with visiting(visitor):
            asked = {(await world.peer.called("chat/ask")).params["requestId"] for _ in range(3)}
            visitor.leave()
            stopped = {(await world.peer.called("chat/stop")).params["requestId"] for _ in range(3)}
        assert stopped == asked
        assert world.services.limiter.counts.in_flight == 0
        assert world.sample("cancellations_total", stage="waiting") == 1


async def test_tokens_of_every_answer_count_and_a_prompt_once_for_its_client() -> None:
    """What Lingma was asked is charged as often as it was asked; usage says it as OpenAI does."""
    key = ApiKey("k", parse_api_keys("secret")[0].digest, tokens_per_minute=1000)
    async with open_world(keys=(key,), slots=1) as world:
        visitor = world.asker(n=2, headers={"authorization": "Bearer secret"})
        async with visiting(visitor):
            for _ in range(2):
                question = await world.peer.called("chat/ask")
                await world.peer.text(question, "word")
                await world.peer.finish(question)
        usage = visitor.json["usage"]
        (tenant,) = world.services.gatekeeper.tenants
        assert tenant.prompt_tokens == 2 * usage["prompt_tokens"]
        assert tenant.answer_tokens == usage["completion_tokens"]


async def test_prompts_that_are_too_much_together_are_refused_for_good() -> None:
    """A key whose minute never holds them all is not told to wait for it."""
    key = ApiKey("k", parse_api_keys("secret")[0].digest, tokens_per_minute=40)
    async with open_world(keys=(key,)) as world:
        body = to_json({"prompt": ["word " * 20] * 4})
        visitor = await world.call("POST", "/v1/completions", body, headers={"authorization": "Bearer secret"})
        assert (visitor.status, visitor.code) == (413, "prompt_over_token_limit")


BEARER = {"authorization": "Bearer secret"}


async def test_another_model_is_refused_before_the_queue(autojump_clock: MockClock) -> None:
    """A key that may not use a model is told so at once, and takes nobody's place meanwhile."""
    key = ApiKey("k", parse_api_keys("secret")[0].digest, models=("nothing-of-this",))
    async with open_world(keys=(key, ApiKey("other", parse_api_keys("busy")[0].digest)), slots=1) as world:
        busy = world.asker(headers={"authorization": "Bearer busy"})
        async with visiting(busy):
            question = await world.peer.called("chat/ask")
            with trio.fail_after(5):
                refused = await world.call(
                    "POST",
                    "/v1/chat/completions",
                    to_json({"model": "auto", "messages": [{"role": "user", "content": "Hello."}]}),
                    headers=BEARER,
                )
            assert (refused.status, refused.code) == (403, "model_not_allowed")
            await world.peer.text(question, "word")
            await world.peer.finish(question)


async def test_a_model_that_is_taken_from_a_key_while_it_waits_is_not_asked(autojump_clock: MockClock) -> None:
    """What a key may use is looked at once more when its turn comes."""
    fixed = ApiKey("other", parse_api_keys("busy")[0].digest)
    key = ApiKey("k", parse_api_keys("secret")[0].digest)
    async with open_world(keys=(fixed,), slots=1) as world:
        world.services.gatekeeper.tenants.replace([key])
        busy, waiting = world.asker(headers={"authorization": "Bearer busy"}), world.asker(headers=BEARER)
        async with visiting(busy):
            question = await world.peer.called("chat/ask")
            async with visiting(waiting):
                await wait_all_tasks_blocked()
                world.services.gatekeeper.tenants.replace([replace(key, models=("nothing-of-this",))])
                await world.peer.text(question, "word")
                await world.peer.finish(question)
        assert busy.status == 200
        assert (waiting.status, waiting.code) == (403, "model_not_allowed")
        assert world.services.limiter.counts.in_flight == 0
