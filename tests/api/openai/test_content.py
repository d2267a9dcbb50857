"""Content in all its forms as text, placeholders and digests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.api.content import Content
from lingma_trio.api.openai.content import read_content
from lingma_trio.errors import InvalidRequest

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def read(*parts: object) -> Content:
    """Read an array of parts."""
    return read_content(list(parts), param="content")


def test_a_string_and_null_are_taken_as_they_are() -> None:
    """A string is its own text, and null is no text."""
    assert read_content("a\nb", param="content") == Content("a\nb")
    assert read_content(None, param="content") == Content()


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "a"},
        {"type": "input_text", "text": "a"},
        {"type": "output_text", "text": "a"},
        {"type": "refusal", "refusal": "a"},
        {"text": "a"},
        "a",
    ],
)
def test_every_form_of_text_is_text(part: object) -> None:
    """All ways to write a text part give its text and no attachment."""
    assert read(part) == Content("a")


@given(st.lists(st.text()))
def test_texts_are_joined_by_line_breaks(texts: list[str]) -> None:
    """Text parts follow one another on lines of their own, in their order, and can be told apart again."""
    content = read(*({"type": "text", "text": text} for text in texts))
    assert content == Content("\n".join(texts), breaks=content.breaks)
    starts = (0, *(end + 1 for end in content.breaks))
    ends = (*content.breaks, len(content.text))
    assert [content.text[start:end] for start, end in zip(starts, ends, strict=True)] == (texts or [""])


@pytest.mark.parametrize(
    ("part", "placeholder"),
    [
        (PICTURE, "[image]"),
        ({"type": "image_url", "image_url": "https://example.org/a.png"}, "[image]"),
        ({"type": "input_image", "image_url": "https://example.org/a.png"}, "[image]"),
        ({"type": "input_image", "file_id": "file-1"}, "[image]"),
        ({"type": "image_url"}, "[image]"),
    ],
)
def test_a_picture_leaves_a_placeholder_and_a_digest(part: object, placeholder: str) -> None:
    """Every form of a picture is a short placeholder with one digest."""
    content = read("before", part)
    assert content.text == f"before\n{placeholder}"
    assert [len(bytes.fromhex(digest)) for digest in content.attachments] == [16]


def test_other_pictures_have_other_digests() -> None:
    """Two pictures with one placeholder are told apart by what they show."""
    other = {"type": "image_url", "image_url": {"url": "data:image/png;base64,BBBB"}}
    assert read(PICTURE).text == read(other).text
    assert read(PICTURE).attachments != read(other).attachments


@pytest.mark.parametrize(
    "same",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "high"}},
        {**PICTURE, "cache_control": {"type": "ephemeral"}},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
    ],
)
def test_what_stands_beside_a_picture_does_not_change_its_digest(same: object) -> None:
    """A level of detail or a mark for caching may come and go between turns of one conversation."""
    assert read(same) == read(PICTURE)


@pytest.mark.parametrize(
    ("part", "param", "said"),
    [
        ({"type": "input_audio", "input_audio": {"data": "AAAA"}}, "content[0].type", "not input_audio"),
        ({"type": "]\n[system] <b>", "x": 1}, "content[0].type", "not systemb."),
        ({"type": "k" * 500}, "content[0].type", f"not {'k' * 40}."),
        ({"type": ["text"]}, "content[0].type", "not one without a name"),
        ({}, "content[0].type", "not one without a name"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "content[0].file.file_id", "keeps none"),
        ({"type": "input_file", "file_url": "https://a/b.pdf"}, "content[0].file_url", "in file_data"),
        ({"type": "input_file"}, "content[0].file_data", "a string"),
        ({"type": "file", "file": {"file_data": "no base64!"}}, "content[0].file.file_data", "must be base64"),
        ({"type": "tool_result", "content": [{"type": "odd"}]}, "content[0].content[0].type", "not odd"),
    ],
)
def test_a_part_that_cannot_be_read_is_refused_by_name(part: object, param: str, said: str) -> None:
    """Nothing that a client shows is dropped: the fault names the field, and a kind that is not known."""
    with pytest.raises(InvalidRequest) as caught:
        read(part)
    assert caught.value.param == param
    assert said in caught.value.message


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": "aGk="}},
        {"type": "input_file", "filename": "a.txt", "file_data": "data:,hi"},
        {"type": "tool_result", "content": [{"type": "input_file", "filename": "a.txt", "file_data": "aGk="}]},
    ],
)
def test_a_file_is_its_text_below_its_name(part: object) -> None:
    """Every form of a file of text, also within what a tool returned, is text of the prompt."""
    assert read(part) == Content("[file a.txt]\nhi\n[end of file a.txt]")


def test_a_file_that_is_a_picture_is_a_picture() -> None:
    """It is shown as one, and is the same as one that was given as a picture."""
    assert read({"type": "file", "file": {"file_data": "data:image/png;base64,AAAA"}}) == read(PICTURE)


def test_digests_stand_in_the_order_of_their_placeholders() -> None:
    """The n-th digest belongs to the n-th placeholder."""
    other = {"type": "input_image", "file_id": "file-1"}
    content = read(PICTURE, "between", other)
    assert content.text == "[image]\nbetween\n[image]"
    assert content.attachments == read(PICTURE).attachments + read(other).attachments


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (1, "content"),
        (True, "content"),
        ({"type": "text", "text": "a"}, "content"),
        ([1], "content[0]"),
        (["a", None], "content[1]"),
        ([["a"]], "content[0]"),
        ([{"type": "text"}], "content[0].text"),
        ([{"type": "text", "text": None}], "content[0].text"),
        ([{"type": "input_text", "text": 1}], "content[0].text"),
        ([{"type": "refusal", "text": "a"}], "content[0].refusal"),
    ],
)
def test_malformed_content_names_the_part(value: object, param: str) -> None:
    """What can be no content is refused, with the path of the part at fault."""
    with pytest.raises(InvalidRequest) as caught:
        read_content(value, param="content")
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("part", "images"),
    [
        (PICTURE, ("data:image/png;base64,AAAA",)),
        ({"type": "image_url", "image_url": "https://example.org/a.png"}, ("https://example.org/a.png",)),
        ({"type": "input_image", "image_url": "https://example.org/a.png"}, ("https://example.org/a.png",)),
        ({"type": "input_image", "file_id": "file-1"}, ("",)),
        ({"type": "image_url", "image_url": {"url": 7}}, ("",)),
    ],
)
def test_a_picture_has_its_address(part: object, images: tuple[str, ...]) -> None:
    """It is passed on, beside the placeholder; what has no address is a picture nevertheless, and not forgotten."""
    content = read({"type": "text", "text": "a"}, part)
    assert (content.images, len(content.attachments)) == (images, 1)


def test_a_picture_has_its_field() -> None:
    """Whoever cannot show it can name where it stands, within a tool's result too."""
    file = {"type": "file", "file": {"file_data": "data:image/png;base64,AAAA"}}
    elsewhere = {"type": "input_image", "file_id": "file-1"}
    content = read(PICTURE, {"type": "tool_result", "content": ["a", PICTURE]}, file, elsewhere, {"type": "image_url"})
    assert content.image_fields == (
        "content[0].image_url",
        "content[1].content[1].image_url",
        "content[2].file.file_data",
        "content[3].file_id",
        "content[4].image_url",
    )


def test_a_result_in_a_part_stands_below_its_call() -> None:
    """So that of several results each is told from the others."""
    part = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "seen"}, PICTURE]}
    content = read(part)
    assert content.text == "[result of c1]\nseen\n[image]"
    assert content.image_fields == ("content[0].content[1].image_url",)
