"""The making of an answer: what is refused before it is asked, and how clients are told that they are to make room."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json, to_json

from lingma_trio.protocol.catalogue import Catalogue
from tests.http.world import Visitor, World, asking, open_world

MOST = 100
LONG = "word " * 200  # 250 tokens
FIELDS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": LONG}]},
    "/v1/completions": {"prompt": LONG},
    "/v1/messages": {"messages": [{"role": "user", "content": LONG}], "max_tokens": 10},
    "/v1/responses": {"input": LONG},
}


def tell_length(world: World) -> None:
    """Have the world's model read so many tokens."""
    models = {"chat": [{"key": "org_auto", "displayName": "Auto", "maxInputTokens": MOST}]}
    world.instance.account.catalogue = Catalogue.read(models)


def asker(world: World, path: str, **fields: object) -> Visitor:
    """Somebody whose conversation is too long."""
    return world.visitor("POST", path, to_json({"model": "org_auto", **FIELDS[path], **fields}))


@pytest.mark.parametrize("path", sorted(FIELDS))
@pytest.mark.parametrize("stream", [False, True])
async def test_prompt_that_is_twice_too_long_is_not_asked(path: str, stream: bool) -> None:
    """It is refused at once, in the words and by the code on which clients compact, without a slot or an instance."""
    async with open_world(slots=1) as world:
        tell_length(world)
        visitor = asker(world, path, stream=stream)
        await visitor.visit()
    assert visitor.complete
    if path == "/v1/responses" and stream:
        assert visitor.status == 200
        last = from_json(visitor.body.strip().split(b"\n\n")[-1].split(b"data: ")[1])
        assert last["type"] == "response.failed"
        error = last["response"]["error"]
    else:
        assert visitor.status == 400
        error = visitor.json["error"]
    assert error["message"].startswith(f"prompt is too long: 250 tokens > {MOST} maximum")
    assert "maximum context length" in error["message"]
    if path == "/v1/messages":
        assert error["type"] == "invalid_request_error"
    else:
        assert error["code"] == "context_length_exceeded"


@pytest.mark.parametrize("text", ["word " * 150, "中" * 250])
async def test_what_may_fit_is_for_lingma_to_judge(text: str) -> None:
    """Tokens are estimated, so what is less than twice too long is asked."""
    async with open_world() as world:
        tell_length(world)
        visitor = world.asker(text)
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Hi.")
            await world.peer.finish(question)
    assert visitor.status == 200


@pytest.mark.parametrize("path", sorted(FIELDS))
async def test_length_that_lingma_refuses_is_told_alike(path: str) -> None:
    """So is the refusal of a model that reads less than it says, or says nothing."""
    async with open_world() as world:
        visitor = asker(world, path, stream=True)
        async with asking(world, visitor) as question:
            await world.peer.finish(question, status=400, reason="输入内容过长")
    if path == "/v1/responses":
        assert visitor.status == 200
        assert b'"code":"context_length_exceeded"' in visitor.body
        assert b"event: response.failed" in visitor.body
    else:
        assert visitor.status == 400
        assert visitor.json["error"]["message"].startswith("prompt is too long")
