"""A response in one piece: a fold of the answer's events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from openai.types.responses import Response

from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.responses.body import ResponseBody
from lingma_trio.api.responses.response import ResponseObject
from lingma_trio.api.responses.tools import Spelling
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import FinishReason, ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = Usage(prompt_tokens=7, answer_tokens=5, thought_tokens=2)
FACTS = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}


def body() -> ResponseBody:
    """Return a body with fixed facts."""
    response = ResponseObject(id="resp_1", model="org_auto", created=1, facts=FACTS)
    return ResponseBody(response, identity="1", spellings={"look": Spelling("function", "look")})


def test_items_stand_in_the_order_in_which_they_came() -> None:
    """Reasoning, text, a call and more text are four items, with ids of their own."""
    encoder = body()
    encoder.thought("hm")
    encoder.text("a")
    encoder.text("b")
    encoder.call(ToolCall("call_1", "look", "{}"))
    encoder.text("c")
    response = Response.model_validate_json(encoder.finish("tool_calls", USAGE))
    assert [(item.type, item.id) for item in response.output] == [
        ("reasoning", "rs_1_0"),
        ("message", "msg_1_1"),
        ("function_call", "fc_1_2"),
        ("message", "msg_1_3"),
    ]
    assert response.output_text == "abc"
    assert response.status == "completed"


def test_a_replaced_text_is_forgotten_wherever_it_stood() -> None:
    """Nothing was sent yet, so what is void is left out; calls and reasoning stand."""
    encoder = body()
    encoder.text("old")
    encoder.call(ToolCall("call_1", "look", "{}"))
    encoder.text("older")
    encoder.replaced("new")
    output = json.loads(encoder.finish("stop", USAGE))["output"]
    assert [item["type"] for item in output] == ["function_call", "message"]
    assert output[1]["content"][0]["text"] == "new"


@pytest.mark.parametrize(("reason", "told"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut_is_incomplete(reason: FinishReason, told: str) -> None:
    """Its status and its last item say so, with the reason as the API names it."""
    encoder = body()
    encoder.thought("hm")
    encoder.text("a")
    response = json.loads(encoder.finish(reason, USAGE))
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": told}
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]


STEPS: list[Callable[[ResponseBody], bytes]] = [
    lambda encoder: encoder.text("a"),
    lambda encoder: encoder.thought("a"),
    lambda encoder: encoder.replaced("a"),
    lambda encoder: encoder.call(ToolCall("c", "look", "{}")),
    lambda encoder: encoder.finish("stop", USAGE),
]


@pytest.mark.parametrize("step", STEPS)
def test_nothing_follows_the_end(step: Callable[[ResponseBody], bytes]) -> None:
    """Once the body is handed out every further step is a bug of the caller."""
    encoder = body()
    encoder.finish("stop", USAGE)
    with pytest.raises(EncoderError):
        step(encoder)


def test_a_body_has_no_beginning_and_tells_of_no_fault() -> None:
    """Both would need bytes ahead of the end."""
    with pytest.raises(EncoderError):
        body().start()
    with pytest.raises(EncoderError):
        body().fail(ChannelLost("lost"))
