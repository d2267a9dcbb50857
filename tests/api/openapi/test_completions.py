"""The description of legacy completions is what the encoders write."""

from __future__ import annotations

import pytest
from pydantic_core import from_json, to_json

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.completions.request import read
from lingma_trio.api.openapi.completions import Completion
from lingma_trio.turns import Usage

RICH: dict[str, object] = {
    "prompt": ["Once"],
    "suffix": "time.",
    "model": "org_auto",
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 5,
    "stop": ["END"],
    "echo": True,
    "n": 1,
    "best_of": 1,
    "user": "somebody",
}
BODIES = (RICH, {"prompt": "Once"})


@pytest.mark.parametrize("body", BODIES)
def test_an_answer_and_each_event_are_as_described(body: dict[str, object]) -> None:
    """Whole or in chunks, with described fields and no others."""
    encoder = read(to_json(body)).encoder(Origin("7", "org_auto", 1))
    data = encoder.text("upon a") + encoder.finish("stop", Usage(3, 5))
    blocks = [block.removeprefix(b"data: ") for block in data.split(b"\n\n") if block]
    seen = [Completion.model_validate(from_json(block)) for block in blocks if block != b"[DONE]"]
    assert {name for each in seen for name in each.model_fields_set} == set(Completion.model_fields)
