"""Tools with the official Anthropic client, unmodified, against a gateway whose Lingma knows no tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic
from anthropic.types import Message, ToolUseBlock
from pydantic import BaseModel

from tests.end_to_end.client import PATIENCE
from tests.end_to_end.gateway import SERVE, Gateway, started
from tests.end_to_end.upstreams import Upstream

MODEL = "claude-opus-5-5"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"name": "get_weather", "description": "The weather in a city.", "input_schema": SCHEMA}
LATER: Any = {"name": "get_time", "input_schema": {"type": "object"}, "defer_loading": True}
WEB: Any = {"type": "web_search_20250305", "name": "web_search"}
OSLO = {"tool": "get_weather", "arguments": {"city": "Oslo"}}
ROME = {"tool": "get_weather", "arguments": {"city": "Rome"}}
SCENES = [
    {"when": "SCENE-TRIP", "answers": [{"text": "I will look.", "calls": [OSLO]}, {"text": "It is cold in Oslo."}]},
    {"when": "SCENE-BOTH", "answers": [{"calls": [OSLO, ROME]}, {"text": "Rome is warmer."}]},
    {"when": "SCENE-TIME", "answers": [{"calls": [{"tool": "get_time"}]}]},
    {"when": "SCENE-JSON", "answers": [{"text": 'Here it is:\n```json\n{"city": "Oslo", "people": 700000}\n```\n'}]},
]


class Place(BaseModel):
    """What `.parse()` is to make of an answer."""

    city: str
    people: int


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose upstream plays the scenes at once."""
    directory = tmp_path_factory.mktemp("tools")
    scenes = directory / "scenes.json"
    scenes.write_text(json.dumps(SCENES))
    with started(directory, SERVE, upstream, LINGMA_SIMULATOR=f"first=0,gap=0,record=1,scenes={scenes}") as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Anthropic]:
    """The sync client, without retries."""
    address = f"http://127.0.0.1:{gateway.port}"
    with Anthropic(base_url=address, api_key="none", max_retries=0, timeout=PATIENCE) as client:
        yield client


def turn(role: str, content: Any) -> Any:  # noqa: ANN401 - the client's own types are unions of dozens
    return {"role": role, "content": content}


def ask(client: Anthropic, *messages: Any, **fields: Any) -> Message:  # noqa: ANN401 - as above
    """Have one whole answer, with one tool declared that is the client's and one that is not."""
    answer: Message = client.messages.create(
        **{"model": MODEL, "max_tokens": 1000, "messages": messages, "tools": [WEATHER, WEB], **fields}
    )
    return answer


def calls_of(message: Message) -> list[ToolUseBlock]:
    return [block for block in message.content if block.type == "tool_use"]


def results_of(message: Message, content: Any, **more: object) -> list[dict[str, Any]]:  # noqa: ANN401 - as above
    """A result for each call of an answer."""
    return [{"type": "tool_result", "tool_use_id": call.id, "content": content, **more} for call in calls_of(message)]


@pytest.mark.parametrize(
    ("content", "more"),
    [("-3 degrees", {}), ([{"type": "text", "text": "-3 degrees"}], {}), ("no such city", {"is_error": True})],
    ids=["text", "blocks", "error"],
)
def test_call_its_result_and_the_closing_words(gateway: Gateway, client: Anthropic, content: object, more: Any) -> None:  # noqa: ANN401
    """A tool's result, in either form or a failure, continues the conversation in the session that asked for it."""
    question = turn("user", f"SCENE-TRIP: what is the weather in Oslo? {content}")
    first = ask(client, question)
    assert first.stop_reason == "tool_use"
    assert [block.type for block in first.content] == ["text", "tool_use"]
    assert [(call.name, call.input) for call in calls_of(first)] == [("get_weather", {"city": "Oslo"})]
    second = ask(client, question, first.to_param(), turn("user", results_of(first, content, **more)))
    assert second.stop_reason == "end_turn"
    assert [block.type for block in second.content] == ["text"]
    assert "It is cold in Oslo." in str(second.content)
    asked = [record for record in gateway.records if record["kind"] == "ask"][-2:]
    assert [record["opens"] for record in asked] == [True, False]


def test_calls_through_the_stream_helper(client: Anthropic) -> None:
    """The helper puts two calls together, each a block of its own, and tells of their input as it comes."""
    with client.messages.stream(
        model=MODEL, max_tokens=1000, messages=[turn("user", "SCENE-BOTH")], tools=[WEATHER]
    ) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        message = stream.get_final_message()
    assert [call.input for call in calls_of(message)] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert len({call.id for call in calls_of(message)}) == 2
    assert [json.loads(piece) for piece in pieces] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert message.stop_reason == "tool_use"
    answer = ask(client, turn("user", "SCENE-BOTH"), message.to_param(), turn("user", results_of(message, "mild")))
    assert "Rome is warmer." in str(answer.content)


def test_one_call_at_a_time(client: Anthropic) -> None:
    """A client that takes no calls side by side gets the first."""
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    answer = ask(client, turn("user", "SCENE-BOTH"), tool_choice=choice)
    assert [call.input for call in calls_of(answer)] == [{"city": "Oslo"}]


def test_a_deferred_tool_is_called_once_it_is_loaded(client: Anthropic) -> None:
    """A tool that the conversation refers to can be called; until then it is not declared."""
    reference = {"type": "tool_reference", "tool_name": "get_time"}
    search = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {}}
    found = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [reference]}
    messages = [turn("user", "SCENE-TIME"), turn("assistant", [search]), turn("user", [found])]
    answer = ask(client, *messages, tools=[WEATHER, LATER])
    assert [call.name for call in calls_of(answer)] == ["get_time"]


def test_an_answer_of_a_form_is_parsed(client: Anthropic) -> None:
    """Structured output is JSON of the form that was asked for and nothing else, as the client's parser wants it."""
    messages = [turn("user", "SCENE-JSON")]
    answer = client.messages.parse(model=MODEL, max_tokens=1000, messages=messages, output_format=Place)
    assert answer.parsed_output == Place(city="Oslo", people=700_000)
