"""Content blocks of every kind, known and unknown."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.api.anthropic.content import MAX_DEPTH, Content, join, read_block, read_content
from lingma_trio.errors import InvalidRequest

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def read(*blocks: object) -> Content:
    """Read an array of blocks."""
    return read_content(list(blocks), param="content")


def text(words: str) -> dict[str, str]:
    """Return a block of text."""
    return {"type": "text", "text": words}


def test_a_string_is_one_block_of_text() -> None:
    """Clients send the one in place of the other, from turn to turn."""
    assert read_content("a", param="content") == read(text("a")) == read("a") == Content("a")
    assert read_content(None, param="content") == read() == Content()


def test_texts_stand_on_lines_of_their_own() -> None:
    """Blocks are joined by line breaks, and those without text leave no empty line."""
    assert read(text("a"), text(""), text("b"), {"type": "thinking", "thinking": "hm"}, text("c")).text == "a\nb\nc"


def test_a_picture_is_kept_by_its_address() -> None:
    """A picture leaves a placeholder and a digest in its place, and its address beside the text."""
    content = read(PNG, text("What is it?"), {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}})
    assert content.text == "[image]\nWhat is it?\n[image]"
    assert content.images == ("data:image/png;base64,iVBORw0KGgo=", "https://a/b.png")
    assert len(set(content.attachments)) == 2


def test_a_picture_that_lies_elsewhere_is_a_placeholder() -> None:
    """A file that was uploaded to Anthropic cannot be shown, and does not fail the request."""
    content = read({"type": "image", "source": {"type": "file", "file_id": "file_1"}})
    assert (content.text, content.images, len(content.attachments)) == ("[image]", (), 1)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"type": "text", "media_type": "text/plain", "data": "the words"}, "A title\nthe words"),
        ({"type": "content", "content": "the words"}, "A title\nthe words"),
        ({"type": "content", "content": [text("one"), text("two")]}, "A title\none\ntwo"),
        ({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}, "A title\n[document]"),
        ({"type": "url", "url": "https://a/b.pdf"}, "A title\n[document]"),
        ({"type": "file", "file_id": "file_1"}, "A title\n[document]"),
        ({}, "A title\n[document]"),
    ],
)
def test_a_document_is_its_text_or_a_placeholder(source: dict[str, Any], expected: str) -> None:
    """What of a document is text is read, and what is not is named and never fails."""
    content = read({"type": "document", "title": "A title", "source": source})
    assert content.text == expected
    assert len(content.attachments) == ("[document]" in expected)


def test_results_of_searches_are_read() -> None:
    """A search result has its title, its source and its text; a reference to a tool its name."""
    found = {"type": "search_result", "title": "T", "source": "https://a", "content": [text("words")]}
    assert read(found, {"type": "tool_reference", "tool_name": "WebFetch"}).text == (
        "T\nhttps://a\nwords\n[tool WebFetch]"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("server_tool_use", "[server_tool_use]"),
        ("of\nthe ] future", "[ofthefuture]"),
        ("k" * 100, f"[{'k' * 40}]"),
        ("===", "[block]"),
        (None, "[block]"),
        (7, "[block]"),
        (["text"], "[block]"),
    ],
)
def test_an_unknown_block_is_named_and_never_fails(kind: object, expected: str) -> None:
    """Kinds that are yet to come degrade to a placeholder that no content can break out of."""
    content = read({"type": kind, "whatever": [1, {"deep": None}]})
    assert (content.text, len(content.attachments)) == (expected, 1)


@pytest.mark.parametrize("block", [PNG, {"type": "odd", "data": "1"}, {"type": "image", "source": {"type": "file"}}])
def test_marks_for_caching_change_nothing(block: dict[str, Any]) -> None:
    """A block is the same with and without a mark, which clients move from turn to turn."""
    assert read({**block, "cache_control": {"type": "ephemeral"}}) == read(block)


def test_different_content_has_different_digests() -> None:
    """Two attachments whose placeholders agree are told apart."""
    one, two = ({"type": "odd", "data": data} for data in "12")
    assert read(one).attachments != read(two).attachments


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (1, "content"),
        ({}, "content"),
        ([1], "content[0]"),
        ([text("a"), None], "content[1]"),
        ([{"type": "text"}], "content[0].text"),
        ([{"type": "text", "text": ["a"]}], "content[0].text"),
        ([{"type": "image"}], "content[0].source"),
        ([{"type": "image", "source": {"type": "url"}}], "content[0].source.url"),
        ([{"type": "image", "source": {"type": "base64", "data": ""}}], "content[0].source.media_type"),
        (
            [{"type": "image", "source": {"type": "base64", "media_type": "text/html", "data": ""}}],
            "content[0].source.media_type",
        ),
        ([{"type": "image", "source": {"type": "base64", "media_type": "image/png"}}], "content[0].source.data"),
        ([{"type": "document", "source": 1}], "content[0].source"),
        ([{"type": "document", "source": {"type": "text"}}], "content[0].source.data"),
        ([{"type": "document", "source": {}, "title": 1}], "content[0].title"),
    ],
)
def test_a_fault_names_its_place(value: object, param: str) -> None:
    """A block that is broken, and not just unknown, is the field's fault."""
    with pytest.raises(InvalidRequest) as caught:
        read_content(value, param="content")
    assert caught.value.param == param


def test_content_may_be_nested_so_deep_and_no_deeper() -> None:
    """Documents in documents end at a bound, well before the interpreter's own."""

    def nested(depth: int) -> dict[str, Any]:
        block: dict[str, Any] = text("in the middle")
        for _ in range(depth):
            block = {"type": "document", "source": {"type": "content", "content": [block]}}
        return block

    assert read_block(nested(MAX_DEPTH - 1), param="content[0]").text == "in the middle"
    with pytest.raises(InvalidRequest):
        read_block(nested(MAX_DEPTH), param="content[0]")


def test_joined_parts_keep_their_order() -> None:
    """Texts, digests and pictures come in the order of their parts."""
    parts = [Content("a", ("1",), ("x",)), Content(), Content("b", ("2",), ("y",))]
    assert join(parts) == Content("a\nb", ("1", "2"), ("x", "y"), (1,))
