"""The description of chat completions is what the parser reads and the encoders write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic_core import from_json, to_json

from lingma_trio.api.openai import request
from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.api.openapi.chat import ChatCompletion, ChatCompletionChunk
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import ToolCall, Usage

if TYPE_CHECKING:
    from lingma_trio.api.encoder import Encoder

TOOL = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
RICH = {
    "model": "org_auto",
    "messages": [
        {"role": "system", "content": "Be brief.", "name": "a"},
        {"role": "user", "content": [{"type": "text", "text": "Look."}], "name": "b"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "Seen.", "tool_call_id": "call_1"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_completion_tokens": 5,
    "stop": ["END"],
    "n": 1,
    "user": "somebody",
    "tools": [TOOL],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": {"type": "text"},
}
OLDER = {
    "messages": [{"role": "user", "content": "Look."}],
    "max_tokens": 5,
    "stop": "END",
    "functions": [TOOL["function"]],
    "function_call": "auto",
    "metadata": {"user_id": "somebody"},
}
BODIES = (RICH, OLDER, {"messages": [{"role": "user", "content": "Hi."}], "stream": False})


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": None},
        {"messages": [{"content": "Hi."}]},
        {"messages": [{"role": "nobody", "content": "Hi."}]},
        {"model": "m" * 257},
        {"stream": "yes"},
        {"stream_options": []},
        {"max_tokens": -1, "max_completion_tokens": None},
        {"max_completion_tokens": -1},
        {"stop": ["s"] * 17},
        {"stop": [""]},
        {"n": 5},
        {"tools": {}},
        {"user": 5},
    ],
    ids=str,
)
def test_what_the_description_forbids_is_refused(change: dict[str, object]) -> None:
    """The bounds that are described are those that are kept."""
    with pytest.raises(InvalidRequest):
        request.parse(to_json({**RICH, **change}))


def play(encoder: Encoder) -> bytes:
    """One answer with everything in it."""
    said = [
        encoder.thought("Well."),
        encoder.text("Hello."),
        encoder.call(ToolCall("call_1", "look", "{}")),
        encoder.finish("tool_calls", Usage(3, 5, 2)),
    ]
    return b"".join(said)


def test_an_answer_is_as_described() -> None:
    """A whole answer has the described fields, and they have all been seen."""
    answer = from_json(play(ChatBody(id="chatcmpl-1", model="org_auto", created=1)))
    described = ChatCompletion.model_validate(answer)
    assert described.model_fields_set == set(ChatCompletion.model_fields)
    message = described.choices[0].message
    assert message.model_fields_set == set(type(message).model_fields)


@pytest.mark.parametrize("usage", [True, False])
def test_each_chunk_is_as_described(*, usage: bool) -> None:
    """Each chunk of a stream has the described fields and no others."""
    stream = play(ChatStream(id="chatcmpl-1", model="org_auto", created=1, include_usage=usage))
    events = [event.removeprefix(b"data: ") for event in stream.split(b"\n\n") if event]
    assert events.pop() == b"[DONE]"
    chunks = [ChatCompletionChunk.model_validate(from_json(event)) for event in events]
    assert (chunks[-1].usage is not None) is usage
