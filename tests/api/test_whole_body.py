"""What all answers in one piece have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.anthropic.body import MessageBody
from lingma_trio.api.completions.body import CompletionBody
from lingma_trio.api.encoder import Encoder, EncoderError
from lingma_trio.api.ollama.body import AnswerBody
from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.responses.body import ResponseBody
from lingma_trio.api.responses.compaction import CompactionBody
from lingma_trio.api.responses.response import ResponseObject
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import Usage
from tests.api.ollama.answers import figures, line
from tests.small_pieces import held_for_each

BODIES: tuple[Callable[[], Encoder], ...] = (
    lambda: ChatBody(id="c", model="m", created=1),
    lambda: CompletionBody(id="c", model="m", created=1),
    lambda: MessageBody(id="c", model="m", thinking=True),
    lambda: ResponseBody(ResponseObject(id="r", model="m", created=1, facts={}), identity="1", spellings={}),
    lambda: CompactionBody(Origin("1", "m", 1)),
    lambda: AnswerBody(line("chat"), figures(), hidden=False),
)
NAMES = ("chat", "completion", "message", "response", "compaction", "ollama")


@pytest.mark.parametrize("make", BODIES, ids=NAMES)
def test_nothing_is_out_before_the_end_and_nothing_after_it(make: Callable[[], Encoder]) -> None:
    """There is no beginning, no fault in-band and no sign of life; the end has started it and is the last."""
    body = make()
    assert (body.keepalive, body.fails_whole, body.started) == (b"", False, False)
    with pytest.raises(EncoderError):
        body.start()
    with pytest.raises(EncoderError):
        body.fail(ChannelLost("gone"))
    assert body.finish("stop", Usage(1, 1)).startswith(b"{")
    assert body.started
    with pytest.raises(EncoderError):
        body.text("a")
    with pytest.raises(EncoderError):
        body.finish("stop", Usage(1, 1))


@pytest.mark.parametrize("make", BODIES, ids=NAMES)
def test_small_deltas_are_held_as_the_text_they_are(make: Callable[[], Encoder]) -> None:
    """However small they are: MAX_ANSWER_BYTES bounds the text, and a string for each would be ten times that."""
    body = make()
    for take in (body.thought, body.text):
        assert held_for_each(take) < 20
