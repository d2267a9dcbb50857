"""The page shows the whole document and asks nobody for anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from lingma_trio.api.openapi.document import build_document
from lingma_trio.api.openapi.operations import OPERATIONS
from lingma_trio.api.openapi.page import build_page

DOCUMENT = build_document(OPERATIONS, title="<title> & more", about="It's <b>bold</b>.", version="1.2.3")
PAGE = build_page(DOCUMENT)
VOID = {"meta"}


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
    """The page has no script and no asset, and leads to itself and to the document beside it only."""
    reader = read()
    assert not reader.kinds & {"script", "img", "link", "iframe"}
    assert {link for link in reader.links if not link.startswith("#")} == {"openapi.json"}
    assert "url(" not in PAGE
    assert "@import" not in PAGE


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
