"""The description of responses is what the parser reads and the encoders write."""

from __future__ import annotations

import pytest
from pydantic_core import from_json, to_json

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.openapi.responses import ItemList, Response, ResponseEvent
from lingma_trio.api.responses.asked import ResponseRequest as Asked
from lingma_trio.api.responses.memory import recall
from lingma_trio.api.responses.page import Page, item_page
from lingma_trio.api.responses.request import ResponseRequest as Parsed
from lingma_trio.api.responses.request import read_request
from lingma_trio.errors import ChannelLost, InvalidRequest
from lingma_trio.policy.response_store import Encoded, Items, StoredResponse
from lingma_trio.turns import ToolCall, Usage

RICH: dict[str, object] = {
    "model": "org_auto",
    "input": [{"role": "user", "content": "Look."}],
    "instructions": "Be brief.",
    "previous_response_id": "resp_1",
    "store": False,
    "stream": True,
    "max_output_tokens": 5,
    "tools": [{"type": "function", "name": "look"}, {"type": "web_search"}],
    "tool_choice": {"type": "function", "name": "look"},
    "parallel_tool_calls": False,
    "text": {"format": {"type": "json_object"}, "verbosity": "low"},
    "reasoning": {"effort": "high", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "truncation": "auto",
    "metadata": {"a": "b"},
    "temperature": 0.5,
    "top_p": 1,
    "max_tool_calls": 3,
    "user": "somebody",
    "safety_identifier": "a",
    "prompt_cache_key": "b",
    "background": False,
    "conversation": None,
    "prompt": None,
}
BODIES = (RICH, {"input": "Hello."})


EARLIER = StoredResponse((), Encoded(b"[", (), b"]"), None)


def read(body: bytes) -> Parsed:
    asked = read_as(Asked, body)
    return read_request(asked, recall(asked, EARLIER, {}, most=1000))


@pytest.mark.parametrize(
    "change",
    [
        {"input": 5},
        {"input": ["Hi."]},
        {"instructions": 5},
        {"previous_response_id": 5},
        {"store": "no"},
        {"model": "m" * 257},
        {"stream": "yes"},
        {"max_output_tokens": -1},
        {"tools": {}},
        {"tools": [{"name": "look"}]},
        {"tool_choice": 5},
        {"text": []},
        {"reasoning": "high"},
        {"include": "all"},
        {"truncation": "some"},
        {"metadata": []},
        {"temperature": "hot"},
        {"user": 5},
        {"background": True},
        {"conversation": "conv_1"},
        {"prompt": {}},
    ],
    ids=str,
)
def test_what_the_description_forbids_is_refused(change: dict[str, object]) -> None:
    """The bounds that are described are those that are kept."""
    with pytest.raises(InvalidRequest):
        read(to_json({**RICH, **change}))


def play(body: dict[str, object], *, fails: bool = False) -> bytes:
    """One answer with everything in it."""
    encoder = read(to_json(body)).encoder(Origin("7", "org_auto", 1))
    said = [
        encoder.thought("Well."),
        encoder.text("Hello."),
        encoder.call(ToolCall("call_1", "look", "{}")),
        encoder.fail(ChannelLost("lost")) if fails else encoder.finish("length", Usage(3, 5, 2)),
    ]
    return b"".join(said)


@pytest.mark.parametrize("body", BODIES)
def test_an_answer_is_as_described(body: dict[str, object]) -> None:
    """A whole answer has the described fields, all of them and no others."""
    described = Response.model_validate(from_json(play({**body, "stream": False})))
    assert described.model_fields_set == set(Response.model_fields)
    assert described.usage is not None
    assert described.usage.model_fields_set == set(type(described.usage).model_fields)


def test_each_event_is_as_described() -> None:
    """Those of an answer that ends and of one that fails."""
    blocks = (play(RICH) + play(RICH, fails=True)).split(b"\n\n")
    events = [ResponseEvent.model_validate(from_json(block.partition(b"data: ")[2])) for block in blocks if block]
    assert {name for event in events for name in event.model_fields_set} >= set(ResponseEvent.model_fields)
    failed = events[-1].response
    assert failed is not None
    assert failed.error is not None


def test_a_page_of_items_is_as_described() -> None:
    """With ends, and without where there are none."""
    filled: Items = (("a", b'{"id":"a"}'),)
    for items in (filled, ()):
        described = ItemList.model_validate(from_json(item_page(items, Page())))
        assert described.model_fields_set == set(ItemList.model_fields)
