"""Content blocks of every kind, known and unknown."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from pydantic_core import to_json

from lingma_trio.api.anthropic import content
from lingma_trio.api.anthropic.asked import MessagesRequest
from lingma_trio.api.anthropic.content import join
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.content import Content
from lingma_trio.errors import InvalidRequest
from tests.api.test_pdf_text import pdf

HELLO = b64encode(pdf(b"BT /F1 12 Tf (Hello) Tj ET")).decode()
PDF = {"type": "base64", "media_type": "application/pdf", "data": HELLO}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def read_content(value: object) -> Content:
    """Read what a turn of the user's may hold."""
    asked = read_as(MessagesRequest, to_json({"messages": [{"role": "user", "content": value}]}))
    return content.read_content(asked.messages[0].content)


def read(*blocks: object) -> Content:
    """Read an array of blocks."""
    return read_content([*blocks])


def text(words: str) -> dict[str, str]:
    """Return a block of text."""
    return {"type": "text", "text": words}


def test_a_string_is_one_block_of_text() -> None:
    """Clients send the one in place of the other, from turn to turn."""
    assert read_content("a") == read(text("a")) == read("a") == Content("a")
    assert read_content(None) == read() == Content()


def test_texts_stand_on_lines_of_their_own() -> None:
    """Blocks are joined by line breaks, and those without text leave no empty line."""
    assert read(text("a"), text(""), text("b"), {"type": "thinking", "thinking": "hm"}, text("c")).text == "a\nb\nc"


def test_a_picture_is_kept_by_its_address() -> None:
    """A picture leaves a placeholder and a digest in its place, and its address beside the text."""
    content = read(PNG, text("What is it?"), {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}})
    assert content.text == "[image]\nWhat is it?\n[image]"
    assert content.images == ("data:image/png;base64,iVBORw0KGgo=", "https://a/b.png")
    assert len(set(content.attachments)) == 2


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"type": "text", "media_type": "text/plain", "data": "the words"}, "A title\nthe words"),
        ({"type": "content", "content": "the words"}, "A title\nthe words"),
        ({"type": "content", "content": [text("one"), text("two")]}, "A title\none\ntwo"),
        ({"type": "base64", "media_type": "text/csv", "data": "YSxi"}, "A title\n[file]\na,b\n[end of file]"),
        (
            {"type": "base64", "media_type": "application/pdf", "data": HELLO},
            "A title\n[file]\n[page 1]\nHello\n[end of file]",
        ),
    ],
)
def test_a_document_is_its_text(source: dict[str, Any], expected: str) -> None:
    """Text, blocks, files of text and the text of a PDF stand below the document's title."""
    content = read({"type": "document", "title": "A title", "source": source})
    assert content.text == expected
    assert not content.attachments


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"type": "base64", "media_type": "application/zip", "data": "UEsDBAA="}, "application/zip"),
        ({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}, "cannot be read"),
        ({"type": "url", "url": "https://a/b.pdf"}, "not fetched"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused(source: dict[str, Any], said: str) -> None:
    """A placeholder would have the model answer as if there were no document."""
    with pytest.raises(InvalidRequest, match=said) as caught:
        read({"type": "document", "source": source})
    assert (caught.value.param or "").startswith("messages[0].content[0].source")


def test_a_document_that_is_a_picture_is_a_picture() -> None:
    """It is shown, and not told of."""
    content = read({"type": "document", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}})
    assert (content.text, content.images) == ("[image]", ("data:image/png;base64,AAAA",))


def test_results_of_searches_are_read() -> None:
    """A search result has its title, its source and its text; a reference to a tool its name."""
    found = {"type": "search_result", "title": "T", "source": "https://a", "content": [text("words")]}
    assert read(found, {"type": "tool_reference", "tool_name": "WebFetch"}).text == (
        "T\nhttps://a\nwords\n[tool WebFetch]"
    )


def test_what_hosted_tools_did_elsewhere_is_told() -> None:
    """A conversation that was begun at Anthropic goes on, with all that can be read of it."""
    asked = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}}
    page = {"type": "web_search_result", "title": "T", "url": "https://a", "encrypted_content": "sealed"}
    found = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [page]}
    assert read(asked, found).text == (
        '[web_search was called with {"query":"q"}]\n[web_search_tool_result]\n'
        '[{"title":"T","type":"web_search_result","url":"https://a"}]'
    )


def test_what_is_for_no_model_is_left_out() -> None:
    """Where another model went on, and what a server listed, is no text."""
    assert read({"type": "fallback", "from": {}, "to": {}}, {"type": "mcp_tool_listing", "tools": []}) == Content()


@pytest.mark.parametrize("kind", ["of\nthe ] future", "k" * 100, "===", None, 7, ["text"]])
def test_an_unknown_block_is_refused_by_its_place(kind: object) -> None:
    """What is not understood is not dropped; what the message repeats of it is short and harmless."""
    with pytest.raises(InvalidRequest) as caught:
        read(text("a"), {"type": kind, "whatever": [1, {"deep": None}]})
    assert caught.value.param == "messages[0].content[1]"
    assert "]" not in caught.value.message.partition("content[1]")[2]
    assert "k" * 41 not in caught.value.message


@pytest.mark.parametrize("block", [PNG, {"type": "document", "source": PDF}])
def test_marks_for_caching_change_nothing(block: dict[str, Any]) -> None:
    """A block is the same with and without a mark, which clients move from turn to turn."""
    assert read({**block, "cache_control": {"type": "ephemeral"}}) == read(block)


def test_different_content_has_different_digests() -> None:
    """Two documents are told apart by what they hold."""
    one, two = (
        {"type": "document", "source": {**PDF, "media_type": "text/plain", "data": data}} for data in ("YQ==", "Yg==")
    )
    assert read(one) != read(two)


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
        ([{"type": "document", "source": PDF, "title": 1}], "content[0].title"),
        ([{"type": "document", "source": {}}], "content[0].source"),
        ([{"type": "document", "source": {"type": "file", "file_id": "f"}}], "content[0].source.file_id"),
        ([{"type": "container_upload", "file_id": "f"}], "content[0].file_id"),
        ([{"type": "tool_result", "content": [{"type": "video"}]}], "content[0].content[0]"),
    ],
)
def test_a_fault_names_its_place(value: object, param: str) -> None:
    """A block that is broken, and not just unknown, is the field's fault."""
    with pytest.raises(InvalidRequest) as caught:
        read_content(value)
    assert caught.value.param == f"messages[0].{param}"


def test_joined_parts_keep_their_order() -> None:
    """Texts, digests and pictures come in the order of their parts."""
    parts = [Content("a", ("1",), ("x",)), Content(), Content("b", ("2",), ("y",))]
    assert join(parts) == Content("a\nb", ("1", "2"), ("x", "y"), (1,))
