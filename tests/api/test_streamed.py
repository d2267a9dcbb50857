"""What all streamed answers have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lingma_trio.api.anthropic.stream import MessageStream
from lingma_trio.api.completions.stream import CompletionStream
from lingma_trio.api.encoder import Encoder, EncoderError
from lingma_trio.api.ollama.stream import AnswerLines
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.api.responses.response import ResponseObject
from lingma_trio.api.responses.stream import ResponseStream
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import ToolCall, Usage
from tests.api.ollama.answers import figures, line

STREAMS: tuple[Callable[[], Encoder], ...] = (
    lambda: ChatStream(id="c", model="m", created=1),
    lambda: CompletionStream(id="c", model="m", created=1),
    lambda: MessageStream(id="c", model="m", prompt_tokens=1, thinking=True),
    lambda: ResponseStream(ResponseObject(id="r", model="m", created=1, facts={}), identity="1", spellings={}),
    lambda: AnswerLines(line("chat"), figures(), hidden=False),
)
NAMES = ("chat", "completion", "message", "response", "ollama")
STEPS: tuple[Callable[[Encoder], bytes], ...] = (
    lambda stream: stream.start(),
    lambda stream: stream.text("a"),
    lambda stream: stream.text(""),
    lambda stream: stream.thought("a"),
    lambda stream: stream.thought(""),
    lambda stream: stream.replaced("a"),
    lambda stream: stream.call(ToolCall("c", "look", "{}")),
    lambda stream: stream.finish("stop", Usage(1, 1)),
    lambda stream: stream.fail(ChannelLost("lost")),
)


@pytest.mark.parametrize("end", STEPS[-2:], ids=["finish", "fault"])
@pytest.mark.parametrize("make", STREAMS, ids=NAMES)
def test_nothing_follows_the_end(make: Callable[[], Encoder], end: Callable[[Encoder], bytes]) -> None:
    """After a finish or a fault every further step is a bug of the caller."""
    stream = make()
    stream.start()
    assert end(stream)
    for step in STEPS:
        with pytest.raises(EncoderError):
            step(stream)


@pytest.mark.parametrize("make", STREAMS, ids=NAMES)
def test_fault_before_the_start_and_a_second_start_are_bugs(make: Callable[[], Encoder]) -> None:
    """Before the first byte a fault has a status of its own, and a stream starts once."""
    stream = make()
    with pytest.raises(EncoderError):
        stream.fail(ChannelLost("lost"))
    assert stream.text("a")
    with pytest.raises(EncoderError):
        stream.start()
