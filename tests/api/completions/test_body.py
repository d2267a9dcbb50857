"""A completion in one piece."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from openai.types import Completion

from lingma_trio.api.completions.body import CompletionBody
from lingma_trio.api.encoder import EncoderError
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = Usage(prompt_tokens=7, answer_tokens=5)


def body(echo: str = "") -> CompletionBody:
    """Return a body with fixed facts."""
    return CompletionBody(id="cmpl-1", model="org_auto", created=1, echo=echo)


def test_a_completion_has_every_field() -> None:
    """The text after its echo, without reasoning and without what was replaced."""
    encoder = body("Once ")
    encoder.text("old")
    encoder.thought("hm")
    encoder.replaced("upon")
    encoder.text(" a time")
    data = encoder.finish("stop", USAGE)
    assert json.loads(data)["choices"] == [
        {"index": 0, "text": "Once upon a time", "logprobs": None, "finish_reason": "stop"}
    ]
    completion = Completion.model_validate_json(data, strict=True)
    assert completion.usage is not None
    assert (completion.id, completion.object, completion.usage.total_tokens) == ("cmpl-1", "text_completion", 12)


STEPS: list[Callable[[CompletionBody], bytes]] = [
    lambda encoder: encoder.text("a"),
    lambda encoder: encoder.thought("a"),
    lambda encoder: encoder.replaced("a"),
    lambda encoder: encoder.finish("stop", USAGE),
]


@pytest.mark.parametrize("step", STEPS)
def test_nothing_follows_the_end(step: Callable[[CompletionBody], bytes]) -> None:
    """Once the body is handed out every further step is a bug of the caller."""
    encoder = body()
    encoder.finish("stop", USAGE)
    with pytest.raises(EncoderError):
        step(encoder)


def test_what_a_body_cannot_tell_of_is_a_bug() -> None:
    """It has no beginning, no fault and no calls."""
    with pytest.raises(EncoderError):
        body().start()
    with pytest.raises(EncoderError):
        body().fail(ChannelLost("lost"))
    with pytest.raises(EncoderError):
        body().call(ToolCall("c", "look", "{}"))
