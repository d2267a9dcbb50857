"""Several answers in one response: each ends for itself, and a failure is told by one that is open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lingma_trio.api.choices import Choices
from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import TextDelta, Usage

if TYPE_CHECKING:
    from typing import Any

USAGE = Usage(prompt_tokens=7, answer_tokens=5)
FACTS: Any = {"id": "chatcmpl-1", "model": "org_auto", "created": 1_700_000_000}


def streams() -> Choices:
    """Two answers of a stream of which nothing has come."""
    return Choices([ChatStream(**FACTS, include_usage=True, index=index) for index in (0, 1)], stream=True)


def events(sent: bytes) -> list[Any]:
    """The events of a stream that are JSON."""
    blocks = [block.removeprefix(b"data: ") for block in sent.split(b"\n\n")]
    return [json.loads(block) for block in blocks if block.startswith(b"{")]


def indices(sent: bytes) -> list[int]:
    """Whose the events are, in order."""
    return [choice["index"] for event in events(sent) for choice in event["choices"]]


def test_answers_of_a_stream_begin_together_and_end_for_themselves() -> None:
    """All begin before the first says anything, in their order; the response ends once all have."""
    choices = streams()
    assert choices.encode(1, []) == b""
    began = [choices.started]
    assert indices(choices.encode(1, [TextDelta("b")])) == [0, 1, 1]
    assert [*began, choices.started] == [False, True]
    assert indices(choices.encode(0, [TextDelta("a")])) == [0]
    assert indices(choices.close(1, "stop")) == [1]
    assert indices(choices.close(0, "length")) == [0]
    end = choices.finish(USAGE)
    assert indices(end) == []
    assert events(end)[-1]["usage"]["completion_tokens"] == 5
    assert end.endswith(b"data: [DONE]\n\n")


def test_an_answer_that_ends_before_it_said_anything_begins_all() -> None:
    """Its end is preceded by the beginning of every one."""
    assert indices(streams().close(1, "stop")) == [0, 1, 1]


def test_a_failure_is_told_once_by_an_answer_that_is_open() -> None:
    """Where every one is closed nothing is said, and the response lacks its end."""
    choices = streams()
    choices.encode(0, [TextDelta("a")])
    choices.close(0, "stop")
    assert b"[DONE]" not in (told := choices.fail(ChannelLost("gone")))
    assert events(told)[0]["error"]["message"] == "gone"
    choices = streams()
    for index in (0, 1):
        choices.close(index, "stop")
    assert choices.fail(ChannelLost("gone")) == b""


def test_answers_of_a_body_stand_in_it_by_their_index() -> None:
    """However they ended, and nothing is sent before all have."""
    choices = Choices([ChatBody(**FACTS, index=index) for index in (0, 1)], stream=False)
    assert choices.encode(1, [TextDelta("b")]) == b""
    assert choices.encode(0, [TextDelta("a")]) == b""
    assert choices.close(1, "stop") == choices.close(0, "stop") == b""
    told = json.loads(choices.finish(USAGE))["choices"]
    assert [(choice["index"], choice["message"]["content"]) for choice in told] == [(0, "a"), (1, "b")]
