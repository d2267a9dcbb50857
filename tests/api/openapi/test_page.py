"""The page shows the whole document and how to call each operation, and needs nobody else's anything."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest

from lingma_trio.api.openapi.document import Operation, build_document
from lingma_trio.api.openapi.operations import OPERATIONS
from lingma_trio.api.openapi.page import build_page

DOCUMENT = build_document(OPERATIONS, title="<title> & more", about="It's <b>bold</b>.", version="1.2.3")
LOOKS: dict[str, Any] = {"style": "/page/style.css", "scripts": ("/page/api.js",)}
PAGE = build_page(DOCUMENT, str, language="en", **LOOKS)
VOID = {"meta", "link", "input"}


class Reader(HTMLParser):
    """Holds the page to closing what it opens, and collects where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.kinds: set[str] = set()
        self.links: set[str] = set()
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.kinds.add(tag)
        self.links |= {given[name] or "" for name in ("href", "src") if name in given}
        self.places |= {given["id"] or ""} if "id" in given else set()
        if tag not in VOID and tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read() -> Reader:
    reader = Reader()
    reader.feed(PAGE)
    reader.close()
    assert not reader.open
    return reader


def test_nothing_comes_from_elsewhere() -> None:
    """The page leads to itself, the document and the status page, and loads what is the gateway's alone."""
    reader = read()
    assert not reader.kinds & {"img", "iframe", "style"}
    links = {link for link in reader.links if not link.startswith("#")}
    assert links == {"/openapi.json", "/", "/docs", "/page/style.css", "/page/api.js"}
    assert "<script>" not in PAGE
    assert "style=" not in PAGE


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_each_call_can_be_copied_and_tried(operation: Operation) -> None:
    """As a command, with a body that the operation takes."""
    name = DOCUMENT["paths"][operation.path][operation.method]["operationId"]
    command = unescape(PAGE.partition(f'id="curl-{name}" tabindex="0">')[2].partition("</pre>")[0])
    assert f'"$GATEWAY{operation.path}"' in command
    assert ("$KEY" in command) is (operation.keeper != "nobody")
    assert (operation.sample is None) is (operation.asked is None)
    if operation.asked is not None:
        operation.asked.model_validate(operation.sample)
        assert json.loads(command.partition(" -d ")[2].strip("'")) == operation.sample
        assert f'id="body-{name}"' in PAGE


def test_each_text_is_said() -> None:
    """Whoever says them in another language is asked for all of them: without, names and kinds are all there is."""
    page = build_page(DOCUMENT, lambda text: "|".join(["{}"] * text.count("{}")), language="xx", **LOOKS)
    assert '<html lang="xx">' in page
    texts = re.sub(r"<(head|header|pre|textarea|code|a)\b.*?</\1>", "", page, flags=re.DOTALL)
    words = {word.strip() for word in re.split(r"<[^>]*>|— |\|", texts) if re.search("[A-Za-z]", word)}
    methods, keepers = {"get", "post", "delete"}, {"bearer", "x-api-key"}
    assert words == methods | keepers | {"string", "integer", "number", "boolean", "object", "null"}


def test_what_is_said_is_escaped() -> None:
    """In whatever language it comes."""
    page = build_page(DOCUMENT, lambda text: f"<b>{text}", language="xx", **LOOKS)
    assert "<b>" not in page


def test_every_link_within_leads_somewhere() -> None:
    """Each object that is named can be followed."""
    reader = read()
    assert {link.removeprefix("#") for link in reader.links if link.startswith("#")} <= reader.places


def test_everything_is_shown() -> None:
    """Each path, each object and each of its fields is on the page."""
    assert [operation.path for operation in OPERATIONS if f"<code>{operation.path}</code>" not in PAGE] == []
    for name, schema in DOCUMENT["components"]["schemas"].items():
        part = re.search(rf'<details id="{name}">.*?</details>', PAGE, flags=re.DOTALL)
        assert part
        assert [field for field in schema.get("properties", {}) if f"<code>{field}</code>" not in part[0]] == []


def test_texts_are_escaped() -> None:
    """What a description says cannot become markup."""
    assert "&lt;title&gt; &amp; more" in PAGE
    assert "<b>bold</b>" not in PAGE
