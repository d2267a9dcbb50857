"""Reading a body as the model that describes it: what is taken, and which field a fault names."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from pydantic_core import PydanticCustomError, to_json

from lingma_trio.api.asked.fields import StreamOptions, limit_of, stops_of
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.asked.shapes import Asked, Body, Refused, wrong
from lingma_trio.errors import InvalidRequest


class Text(Asked):
    """A part that is text."""

    type: Literal["text"]
    text: str


class Picture(Asked):
    """A part that is a picture."""

    type: Literal["image_url"]
    image_url: str | StreamOptions


class Bare(Asked):
    """A part that does not say what it is."""

    type: None = None
    text: str


Part = str | Annotated[Text | Picture, Field(discriminator="type")] | Bare
Parts = Annotated[list[Part], Field(max_length=3, fail_fast=True)]


class Message(Asked):
    """One message."""

    role: Literal["user", "assistant"]
    content: str | Parts | None = None


class Question(Body):
    """A request."""

    messages: Annotated[list[Message], Field(min_length=1, fail_fast=True)]
    number: Annotated[int, Field(ge=1)] | None = None
    share: float | None = None
    anything: Any = None


def said(*parts: object, **more: object) -> bytes:
    """Return a body with these parts in its only message."""
    return to_json({"messages": [{"role": "user", "content": parts}], **more})


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"", "body", "one JSON object"),
        (b'{"messages": [', "body", "one JSON object"),
        (b"[]", "body", "must be a JSON object, not an array"),
        (b"null", "body", "must be a JSON object, not null"),
        (b'{"messages": "\\ud800"}', "body", "lone surrogate"),
        (b'{"anything": NaN}', "body", "one JSON object"),
        (b"{}", "messages", "messages is missing."),
        (b'{"messages": []}', "messages", "at least 1 entries"),
        (b'{"messages": 7}', "messages", "must be an array, not a number"),
        (b'{"messages": [7]}', "messages[0]", "must be an object, not a number"),
        (b'{"messages": [{"role": "tool"}]}', "messages[0].role", "one of user or assistant"),
        (b'{"messages": [{"role": "user", "content": 7}]}', "messages[0].content", "a string or an array, not"),
        (said(*"abcd"), "messages[0].content", "no more than 3 entries"),
        (said("a", 7), "messages[0].content[1]", "not a number"),
        (said({"type": "sound"}), "messages[0].content[0]", "sound is not known here; known are text, image_url"),
        (said({"type": "text", "text": 5}), "messages[0].content[0].text", "must be a string, not a number"),
        (said({"type": "text"}), "messages[0].content[0].text", "is missing"),
        (said({"text": 5}), "messages[0].content[0].text", "must be a string, not a number"),
        (said({"type": "image_url", "image_url": 7}), "messages[0].content[0].image_url", "a string or an object"),
        (said("a", number="5"), "number", "must be a whole number, not a string"),
        (said("a", number=0), "number", "must be at least 1"),
        (said("a", number=True), "number", "a whole number, not a boolean"),
        (said("a", number=5.0), "number", "a whole number, not one with a point or an exponent"),
        (b'{"messages": [{"role": "user"}], "share": 1e999}', "share", "must be a number, not one that is too large"),
    ],
)
def test_a_fault_names_its_field_and_what_belongs_there(body: bytes, param: str, words: str) -> None:
    """In the words of the body, whatever the union that pydantic went through."""
    with pytest.raises(InvalidRequest) as caught:
        read_as(Question, body)
    assert caught.value.param == param
    assert words in str(caught.value)


def test_a_number_that_json_has_not_is_text_in_a_text() -> None:
    """Only outside of texts is NaN a fault."""
    assert read_as(Question, said("NaN and Infinity", share=1)).share == 1


def test_a_validator_of_ours_speaks_of_its_field() -> None:
    """What is said follows on the field's path, and braces in it stand for themselves."""
    error = wrong("must not be {7}")
    assert isinstance(error, PydanticCustomError)
    assert error.message() == "{field} must not be {7}."


NAMES = st.sampled_from(["messages", "role", "content", "type", "text"])
PLAIN = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner)))
def test_any_json_is_read_or_refused_by_name(value: object) -> None:
    """Nothing else is raised, and the fault always has a place."""
    try:
        read_as(Question, to_json(value))
    except InvalidRequest as error:
        assert error.param  # noqa: PT017 - either outcome is right


def test_what_may_be_given_in_two_ways_is_read_as_one() -> None:
    """Texts that end an answer, and the bound on its tokens, of which 0 is none."""
    assert (stops_of(None), stops_of("a"), stops_of(["a", "b"])) == ((), ("a",), ("a", "b"))
    assert (limit_of(None, 0, 7), limit_of(0), limit_of()) == (7, None, None)


class Upload(Body):
    """A body with a field that may not be there."""

    file_id: Annotated[Any, Refused("Files are not kept here")] = None


def test_a_fault_names_its_field_in_its_words() -> None:
    """Also where what is said of the field does not."""
    with pytest.raises(InvalidRequest) as caught:
        read_as(Upload, b'{"file_id":"f"}')
    assert caught.value.message == "file_id: Files are not kept here."
