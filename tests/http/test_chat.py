"""Chat completions' path: what is asked there in the fields of another API, and what such clients are given."""

from __future__ import annotations

import pytest
from pydantic_core import to_json

from tests.http.world import Visitor, World, asking, open_world


def sender(world: World, **fields: object) -> Visitor:
    """Somebody who sends these fields to the path of chat completions."""
    return world.visitor("POST", "/v1/chat/completions", to_json(fields))


async def test_a_chat_completion_is_one() -> None:
    """The path's own fields go before those of another API."""
    async with open_world() as world:
        visitor = sender(world, messages=[{"role": "user", "content": "Hello."}], input="x")
        async with asking(world, visitor) as question:
            assert question.params["questionText"] == "Hello."
            await world.peer.text(question, "Hi.")
            await world.peer.finish(question)
    assert visitor.json["object"] == "chat.completion"


async def test_a_request_for_a_response_is_served_as_one() -> None:
    """It has everything that it would have had on its own path."""
    async with open_world() as world:
        visitor = sender(world, input="Hello.", instructions="Be brief.")
        async with asking(world, visitor) as question:
            assert "Be brief." in question.params["questionText"]
            await world.peer.text(question, "Hi.")
            await world.peer.finish(question)
        assert visitor.json["object"] == "response"
        assert (await world.call("GET", f"/v1/responses/{visitor.json['id']}")).json == visitor.json


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_client_that_reads_chat_completions_is_given_one(stream: bool) -> None:
    """Asking for a stream's token counts is something only chat completions know; nothing is kept."""
    async with open_world() as world:
        visitor = sender(world, input="Hello.", stream=stream, stream_options={"include_usage": True})
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Hi.")
            await world.peer.finish(question)
        assert world.stored == 0
    if stream:
        assert b'"content":"Hi."' in visitor.body
        assert b'"total_tokens"' in visitor.body
        assert visitor.body.endswith(b"data: [DONE]\n\n")
    else:
        assert visitor.json["choices"][0]["message"]["content"] == "Hi."


async def test_a_prompt_belongs_to_another_path() -> None:
    """It is named, with where to send it."""
    async with open_world() as world:
        visitor = sender(world, prompt="Once")
        await visitor.visit()
    assert (visitor.status, visitor.json["error"]["param"]) == (400, "prompt")
    assert "/v1/completions" in visitor.json["error"]["message"]
