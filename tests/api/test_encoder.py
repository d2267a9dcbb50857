"""One way to drive every answer."""

from __future__ import annotations

import pytest

from lingma_trio.api.encoder import Encoder, EncoderError
from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.turns import Usage

ENCODERS: list[Encoder] = [ChatStream(id="a", model="m", created=1), ChatBody(id="a", model="m", created=1)]


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: type(encoder).__name__)
def test_the_edge_drives_a_stream_and_a_body_alike(encoder: Encoder) -> None:
    """Both take the same events, start with the first bytes they give, and end once."""
    given = encoder.thought("hm") + encoder.text("a") + encoder.replaced("b")
    assert encoder.started == bool(given)
    assert encoder.finish("stop", Usage(prompt_tokens=1, answer_tokens=1))
    assert encoder.started
    with pytest.raises(EncoderError):
        encoder.finish("stop", Usage(prompt_tokens=1, answer_tokens=1))
