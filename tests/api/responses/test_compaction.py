"""Conversations summed up: what is asked for, what is given, and how it is read again."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from openai.types.responses.compacted_response import CompactedResponse
from pydantic_core import to_json

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.responses.asked import ResponseRequest as Asked
from lingma_trio.api.responses.compaction import CompactionBody, read_compaction, to_sum_up
from lingma_trio.api.responses.items import read_items
from lingma_trio.api.responses.memory import Memory
from lingma_trio.api.responses.request import read_request
from lingma_trio.errors import ChannelLost, InvalidRequest
from lingma_trio.turns import Message, ToolCall, Usage

ORIGIN = Origin("7", "qwen", 1)


def test_the_conversation_is_asked_for_its_summary() -> None:
    """By a message of its own, without the client's tools and format, and never to be continued."""
    fields = {
        "input": "Hello.",
        "model": "qwen",
        "user": "me",
        "max_output_tokens": 9,
        "stream": True,
        "newest": 1,
        "tools": [{"type": "function", "name": "look"}],
        "text": {"format": {"type": "json_object"}},
    }
    request = to_sum_up(read_request(read_as(Asked, to_json(fields)), Memory()))
    first, last = request.prompt.messages
    assert (first, last.role) == (Message("user", "Hello."), "user")
    assert "Sum up" in last.text
    assert (request.prompt.toolbox, request.prompt.answer_format, request.prompt.once) == (None, None, True)
    assert (request.model, request.user, request.max_tokens, request.ignored) == ("qwen", "me", 9, ("newest",))
    assert (request.stream, request.stop) == (False, ())
    assert isinstance(request.encoder(ORIGIN), CompactionBody)


def test_a_summary_is_read_again_as_it_was_written() -> None:
    """In the form that OpenAI's client knows; the reasoning before it and a text that was replaced are no part."""
    body = CompactionBody(ORIGIN)
    assert body.text("No.") + body.thought("Hm.") + body.replaced("Gr\u00fc\u00dfe ") + body.text("\U0001f44b") == b""
    told = body.finish("stop", Usage(5, 3))
    compacted = CompactedResponse.model_validate_json(told)
    assert (compacted.id, compacted.created_at, compacted.usage.total_tokens) == ("resp_7", 1, 8)
    items = json.loads(told)["output"]
    (message,) = read_items(items)
    assert message.role == "user"
    assert message.text.endswith("stands in its place:\nGr\u00fc\u00dfe \U0001f44b")
    with pytest.raises(EncoderError):
        body.text("more")


def test_a_body_has_no_beginning_no_calls_and_no_faults() -> None:
    """It is sent in one piece or not at all."""
    body = CompactionBody(ORIGIN)
    with pytest.raises(EncoderError):
        body.start()
    with pytest.raises(EncoderError):
        body.call(ToolCall("c", "look", "{}"))
    with pytest.raises(EncoderError):
        body.fail(ChannelLost("gone"))


@pytest.mark.parametrize("sealed", ["gAAAAB", None, 7, "lingma_trio:*", "lingma_trio:" + b64encode(b"\xff").decode()])
def test_what_another_server_sealed_is_refused(sealed: object) -> None:
    """An answer without it would be one to nothing; the client is told which field, and what to do."""
    with pytest.raises(InvalidRequest, match="send the items that it stands for") as caught:
        read_compaction({"type": "compaction", "encrypted_content": sealed}, param="input[2]")
    assert caught.value.param == "input[2].encrypted_content"
