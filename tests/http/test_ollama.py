"""Ollama's paths: answers in lines or whole, models, and what is said where there is nothing."""

from __future__ import annotations

import gc

import pytest
import trio
from pydantic_core import from_json, to_json
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.api.ollama.request import OllamaRequest
from tests.http.world import ELSEWHERE, Visitor, World, asking, open_world

KEY = {"authorization": "Bearer key"}
HELLO = [{"role": "user", "content": "Hello."}]
SECOND = 1_000_000_000


def sender(world: World, path: str = "/api/chat", **fields: object) -> Visitor:
    """Somebody who sends these fields, and a message or a prompt."""
    said = {"messages": HELLO} if path == "/api/chat" else {"prompt": "Hello."}
    return world.visitor("POST", path, to_json({**said, **fields}))


async def test_a_chat_comes_in_lines() -> None:
    """Each delta is a line as it comes, and the last one says that the answer is done."""
    async with open_world() as world:
        visitor = sender(world, model="qwen:latest")
        async with asking(world, visitor) as question:
            assert question.params["questionText"] == "Hello."
            await world.peer.text(question, "Hi ")
            await visitor.until(b'"Hi "')
            await world.peer.text(question, "there.")
            await world.peer.finish(question)
    assert visitor.headers["content-type"] == "application/x-ndjson"
    assert visitor.headers["cache-control"] == "no-cache, no-transform"
    *pieces, last = [from_json(line) for line in visitor.body.splitlines()]
    assert [piece["message"]["content"] for piece in pieces] == ["Hi ", "there."]
    assert (last["done"], last["done_reason"], last["model"]) == (True, "stop", "qwen:latest")
    assert visitor.complete


@pytest.mark.parametrize(("path", "field"), [("/api/chat", "message"), ("/api/generate", "response")])
async def test_an_answer_comes_whole(path: str, field: str, autojump_clock: MockClock) -> None:
    """It is one object, with the times that the answer took."""
    async with open_world() as world:
        visitor = sender(world, path, stream=False)
        async with asking(world, visitor) as question:
            await trio.sleep(2)
            await world.peer.text(question, "Hi.")
            await wait_all_tasks_blocked()
            await trio.sleep(3)
            await world.peer.finish(question)
    answer = visitor.json
    assert visitor.headers["content-type"] == "application/json"
    assert answer[field] == ("Hi." if field == "response" else {"role": "assistant", "content": "Hi."})
    assert answer["model"] == "org_auto"
    assert answer["prompt_eval_duration"] == 2 * SECOND
    assert answer["eval_duration"] == 3 * SECOND
    assert answer["total_duration"] == 5 * SECOND


async def test_a_second_turn_goes_on_in_its_session() -> None:
    """Only what is new is asked, also where the client sends calls back without their ids."""
    look = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    async with open_world() as world:
        visitor = sender(world, stream=False, tools=[look])
        async with asking(world, visitor) as question:
            word = question.params["questionText"].partition("json action ")[2].split()[0]
            call = f'```json action {word}\n{{"tool": "look", "arguments": {{"at": "sea"}}}}\n```'
            await world.peer.text(question, call)
            await world.peer.finish(question)
        message = visitor.json["message"]
        (called,) = message["tool_calls"]
        assert called["function"] == {"index": 0, "name": "look", "arguments": {"at": "sea"}}
        answered = {**message, "tool_calls": [{"function": {"name": "look", "arguments": {"at": "sea"}}}]}
        result = {"role": "tool", "tool_name": "look", "content": "A wave."}
        visitor = sender(world, stream=False, tools=[look], messages=[*HELLO, answered, result])
        async with asking(world, visitor) as question:
            assert question.params["sessionId"] == "s-1"
            assert "A wave." in question.params["questionText"]
            assert "Hello." not in question.params["questionText"]
            await world.peer.text(question, "There is a wave.")
            await world.peer.finish(question)
    assert visitor.json["message"]["content"] == "There is a wave."


async def test_a_quiet_stream_shows_that_it_lives(autojump_clock: MockClock) -> None:
    """By a line without text, since there are no comments; the fault that follows ends the stream properly."""
    async with open_world(keepalive=15) as world:
        visitor = sender(world)
        async with asking(world, visitor) as question:
            await visitor.until(b"}\n")
            assert from_json(visitor.body)["message"]["content"] == ""
            await world.peer.finish(question, status=500)
    *_, last = [from_json(line) for line in visitor.body.splitlines()]
    assert set(last) == {"error"}
    assert visitor.complete
    assert world.sample("requests_total", route="ollama_chat", outcome="upstream_error") == 1


async def test_a_fault_before_the_answer_has_a_status() -> None:
    """It comes in Ollama's envelope."""
    async with open_world() as world:
        visitor = sender(world)
        async with asking(world, visitor) as question:
            await world.peer.finish(question, status=500)
    assert visitor.status == 502
    assert set(visitor.json) == {"error"}
    assert "status 500" in visitor.json["error"]


async def test_who_leaves_ends_the_answer() -> None:
    """Lingma is told to stop, and the slot is free."""
    async with open_world(slots=1) as world:
        visitor = sender(world)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            question = await world.peer.called("chat/ask")
            await world.peer.text(question, "Hi ")
            await visitor.until(b"Hi ")
            visitor.leave()
            await world.peer.called("chat/stop")
        assert world.services.limiter_view().in_flight == 0


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
async def test_nothing_to_answer_is_answered_at_once(path: str) -> None:
    """Lingma is not asked, and the answer is one object; fields that nobody described are told of."""
    async with open_world() as world:
        visitor = await world.call("POST", path, b'{"model": "qwen:latest", "novelty": 1}')
    assert (visitor.status, visitor.json["done_reason"], visitor.json["model"]) == (200, "load", "qwen:latest")
    assert visitor.headers["content-type"] == "application/json"
    assert visitor.headers["x-ignored-fields"] == "novelty"


async def test_a_request_is_not_held_while_it_is_answered(autojump_clock: MockClock) -> None:
    """Once the answer is made, nothing of the conversation stays for a client that reads slowly."""
    async with open_world() as world:
        visitor = sender(world)
        async with asking(world, visitor) as question:
            visitor.stop_reading()
            await world.peer.text(question, "Hi.")
            await world.peer.finish(question)
            await wait_all_tasks_blocked()
            gc.collect()
            assert not [each for each in gc.get_objects() if isinstance(each, OllamaRequest)]
            visitor.read_on()


async def test_models_ask_for_a_key_and_the_version_does_not() -> None:
    """The same keys hold as on every surface, and their limits to models as well."""
    async with open_world(keys=("key",)) as world:
        for method, path in (("GET", "/api/tags"), ("GET", "/api/ps"), ("POST", "/api/show"), ("POST", "/api/chat")):
            refused = await world.call(method, path, b"{}" if method == "POST" else b"")
            assert (refused.status, set(refused.json)) == (401, {"error"})
        tags = await world.call("GET", "/api/tags", headers=KEY)
        running = await world.call("GET", "/api/ps", headers=KEY)
        version = await world.call("GET", "/api/version", client=ELSEWHERE)
    assert [model["name"] for model in tags.json["models"]] == ["org_auto:latest", "qwen:latest"]
    assert [model["model"] for model in running.json["models"]] == ["org_auto:latest", "qwen:latest"]
    assert version.json["version"]


@pytest.mark.parametrize("name", ["qwen", "qwen:latest", "Qwen", "fast:latest", "fast"])
async def test_a_model_is_shown_by_any_of_its_names(name: str) -> None:
    """With and without its tag, by its display name, and by an alias."""
    async with open_world(aliases=(("fast", "Qwen"),)) as world:
        visitor = await world.call("POST", "/api/show", to_json({"model": name}))
    assert visitor.json["model_info"]["general.basename"] == "Qwen"


async def test_a_model_that_is_not_there_is_not_shown() -> None:
    """It is a 404, on which clients would fetch it, and that says what there is."""
    async with open_world() as world:
        visitor = await world.call("POST", "/api/show", b'{"model": "llama3.2:latest"}')
        pulled = await world.call("POST", "/api/pull", b'{"model": "llama3.2"}')
    assert (visitor.status, pulled.status) == (404, 404)
    assert "'llama3.2'" in visitor.json["error"]
    assert "/api/tags" in pulled.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "word"),
    [
        ("POST", "/api/embed", "embeddings"),
        ("POST", "/api/embeddings/", "embeddings"),
        ("POST", "/api/create", "made"),
        ("POST", "/api/copy", "copied"),
        ("DELETE", "/api/delete", "deleted"),
        ("POST", "/api/push", "published"),
        ("HEAD", "/api/blobs/sha256:0", ""),
        ("POST", "/api/blobs/sha256:0", "made"),
        ("GET", "/api/tags/qwen", "no such path"),
        ("GET", "/api/nothing", "no such path"),
    ],
)
async def test_what_is_not_there_is_said(method: str, path: str, word: str) -> None:
    """It is a 404 in Ollama's envelope, whoever asks."""
    async with open_world(keys=("key",)) as world:
        visitor = await world.call(method, path)
    assert visitor.status == 404
    assert word in visitor.json["error"]


async def test_the_root_is_there() -> None:
    """Clients look for it before they ask anything."""
    async with open_world(keys=("key",), admin="admin") as world:
        assert (await world.call("HEAD", "/", client=ELSEWHERE)).status == 200
        assert (await world.call("GET", "/api/chat")).json == {"error": "this path takes POST"}
