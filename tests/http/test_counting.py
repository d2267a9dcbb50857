"""Counts of tokens: read like a request for an answer, and answered by the gateway alone."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from tests.http.world import open_world

PATH = "/v1/messages/count_tokens"


def asked(**fields: Any) -> bytes:  # noqa: ANN401 - whatever JSON holds
    """A request for a count."""
    return to_json({"model": "claude", "messages": [{"role": "user", "content": "Hello."}], **fields})


async def test_a_count_needs_no_lingma() -> None:
    """Without a slot, a ready instance or a model there is still a count."""
    async with open_world(slots=1, max_queue=0) as world:
        world.instance.lives.state = "needs_login"
        world.instance.tell_models()
        counted = await world.call("POST", PATH, asked())
    assert counted.status == 200
    assert set(counted.json) == {"input_tokens"}
    assert counted.json["input_tokens"] > 0


async def test_everything_that_is_asked_with_counts() -> None:
    """The system prompt and the tools are part of the count."""
    tool = {"name": "look", "description": "Looks about.", "input_schema": {"type": "object"}}
    async with open_world() as world:
        bare, rich = [
            (await world.call("POST", PATH, asked(**fields))).json["input_tokens"]
            for fields in ({}, {"system": "Be brief.", "tools": [tool]})
        ]
    assert rich > bare + 10


async def test_what_cannot_be_answered_cannot_be_counted() -> None:
    """A bad request is refused as it would be without counting, and so is a stranger."""
    async with open_world(keys=("key",)) as world:
        stranger = await world.call("POST", PATH, asked())
        bad = await world.call("POST", PATH, b"{}", headers={"x-api-key": "key"})
    assert (stranger.status, stranger.json["error"]["type"]) == (401, "authentication_error")
    assert (bad.status, bad.json["error"]["type"]) == (400, "invalid_request_error")


async def test_a_wish_for_a_summary_does_not_count() -> None:
    """What is counted is the conversation as it is sent; an answer is not to be had so."""
    wish = {"type": "summarize"}
    async with open_world() as world:
        bare, wished = [(await world.call("POST", PATH, asked(**fields))).json for fields in ({}, {"compaction": wish})]
        refused = await world.call("POST", "/v1/messages", asked(max_tokens=9, compaction=wish))
    assert bare == wished
    assert refused.status == 400
    assert "compaction" in refused.json["error"]["message"]
