"""The description of legacy completions is what the parser reads and the encoders write."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.completions.request import parse
from lingma_trio.api.openapi.chat import StreamOptions
from lingma_trio.api.openapi.completions import Completion, CompletionRequest
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Usage
from tests.api.openapi.readers import fields_read

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


def test_every_field_that_is_read_is_described_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser looks at the described fields of a body and of what is in it, and at no others.

    A field that is new in the parser belongs into `lingma_trio/api/openapi/completions.py` and into a body above.
    """
    seen = fields_read(monkeypatch, parse, *(to_json(body) for body in BODIES))
    assert seen[""] == set(CompletionRequest.model_fields)
    assert seen["stream_options"] == set(StreamOptions.model_fields)


@pytest.mark.parametrize("body", BODIES)
def test_what_is_read_fits_the_description(body: dict[str, object]) -> None:
    """Bodies that the parser takes are valid ones."""
    parse(to_json(body))
    CompletionRequest.model_validate(body)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": None},
        {"prompt": " "},
        {"prompt": ["a", "b"]},
        {"prompt": [1, 2]},
        {"suffix": 5},
        {"model": "m" * 257},
        {"stream": "yes"},
        {"max_tokens": -1},
        {"stop": [""]},
        {"echo": "yes"},
        {"n": 2},
        {"best_of": 2},
    ],
    ids=str,
)
def test_what_the_description_forbids_is_refused(change: dict[str, object]) -> None:
    """The bounds that are described are those that are kept."""
    with pytest.raises(ValidationError):
        CompletionRequest.model_validate({**RICH, **change}, strict=True)
    with pytest.raises(InvalidRequest):
        parse(to_json({**RICH, **change}))


@pytest.mark.parametrize("body", BODIES)
def test_an_answer_and_each_event_are_as_described(body: dict[str, object]) -> None:
    """Whole or in chunks, with described fields and no others."""
    encoder = parse(to_json(body)).encoder(Origin("7", "org_auto", 1))
    data = encoder.text("upon a") + encoder.finish("stop", Usage(3, 5))
    blocks = [block.removeprefix(b"data: ") for block in data.split(b"\n\n") if block]
    seen = [Completion.model_validate(from_json(block)) for block in blocks if block != b"[DONE]"]
    assert {name for each in seen for name in each.model_fields_set} == set(Completion.model_fields)
