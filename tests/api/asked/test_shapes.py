"""The marks of a request's fields, and what they do."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic_core import to_json

from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.asked.shapes import EMULATED, READ, WITHOUT_EFFECT, Asked, Body, Refused, handling
from lingma_trio.api.openapi.operations import OPERATIONS
from lingma_trio.errors import InvalidRequest


class Question(Body):
    """A request."""

    text: Annotated[str, READ]
    """What is asked."""
    tools: Annotated[list[str] | None, EMULATED] = None
    """What may be called."""
    seed: Annotated[Any, WITHOUT_EFFECT] = None
    """Of no use."""
    odds: Annotated[Any, Refused("There are none; leave odds out", unless=(False,))] = None
    """Of tokens."""
    forgotten: int | None = None
    """Without a mark."""


def test_each_mark_says_what_is_done_with_its_field() -> None:
    """One of four for each field; a field without one is a mistake."""
    marks = {name: field for name, field in Question.model_fields.items() if name != "forgotten"}
    assert [handling(field) for field in marks.values()] == ["read", "emulated", "without effect", "refused"]
    with pytest.raises(ValueError, match="needs one of the marks"):
        handling(Question.model_fields["forgotten"])


@pytest.mark.parametrize("value", ["0", "[]", "true", "5", '"x"'])
def test_a_refused_field_is_refused_for_its_reason(value: str) -> None:
    """Whatever it holds but null and what changes nothing: 0 is not false."""
    with pytest.raises(InvalidRequest) as caught:
        read_as(Question, f'{{"text": "a", "odds": {value}}}'.encode())
    assert (caught.value.param, str(caught.value)) == ("odds", "There are none; leave odds out.")
    for harmless in (b"null", b"false"):
        assert read_as(Question, b'{"text": "a", "odds": ' + harmless + b"}").text == "a"


def test_fields_that_nobody_described_are_told_of() -> None:
    """They are served without effect, and whoever asks learns their names."""
    asked = read_as(Question, b'{"text": "a", "seed": [1], "newest": 5, "absent": null, "next": {}}')
    assert asked.unknown == ("newest", "next")


def test_what_is_told_of_unknown_fields_is_harmless_and_bounded() -> None:
    """Their names are a client's own words, and stand in a header and in the log."""
    strange = {"a\r\nset-cookie: b": 1, "": 1, "n" * 65: 1, "\u00e4": 1}
    asked = read_as(Question, to_json({"text": "a", **strange, **{f"x{at}": at for at in range(100)}}))
    assert asked.unknown == tuple(f"x{at}" for at in range(16))


def test_the_document_says_what_is_done() -> None:
    """Beside each field's schema."""
    properties = Question.model_json_schema()["properties"]
    assert [properties[name]["x-handling"] for name in ("text", "seed", "odds")] == [
        "read",
        "without effect",
        "refused",
    ]


def described(model: type[Asked] = Asked) -> list[type[Asked]]:
    """Return every model of the package that is made for requests."""
    return [each for sub in model.__subclasses__() for each in (sub, *described(sub))]


@pytest.mark.parametrize(
    "model",
    [model for model in described() if model.__module__.startswith("lingma_trio.")],
    ids=lambda model: f"{model.__module__}.{model.__name__}",
)
def test_every_field_has_a_mark_and_a_meaning(model: type[Asked]) -> None:
    """A field that is in a model by accident would be read, and dropped, in silence."""
    for name, field in model.model_fields.items():
        assert handling(field), name
        assert field.description or field.alias == "type" or name == "type", f"{model.__name__}.{name} says nothing"


def test_operations_describe_their_requests_by_such_models() -> None:
    """So what reads a body is what describes it."""
    asked = {operation.asked for operation in OPERATIONS if operation.asked is not None}
    assert any(issubclass(model, Asked) for model in asked)
