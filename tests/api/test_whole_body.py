"""What all answers in one piece have in common."""

from __future__ import annotations

import pytest

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.anthropic.body import MessageBody
from lingma_trio.api.completions.body import CompletionBody
from lingma_trio.api.encoder import Encoder, EncoderError
from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.responses.body import ResponseBody
from lingma_trio.api.responses.compaction import CompactionBody
from lingma_trio.api.responses.response import ResponseObject
from lingma_trio.errors import ChannelLost
from lingma_trio.turns import Usage

BODIES: tuple[Encoder, ...] = (
    ChatBody(id="c", model="m", created=1),
    CompletionBody(id="c", model="m", created=1),
    MessageBody(id="c", model="m", thinking=False),
    ResponseBody(ResponseObject(id="r", model="m", created=1, facts={}), identity="1", spellings={}),
    CompactionBody(Origin("1", "m", 1)),
)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_nothing_is_out_before_the_end_and_nothing_after_it(body: Encoder) -> None:
    """There is no beginning, no fault in-band and no sign of life; the end has started it and is the last."""
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
