"""What a message's content blocks hold, as text with placeholders, digests of what is no text, and pictures.

Knows what each kind of block is for; must not know roles or whole conversations. Marks for caching and whatever else
lies beside a block's content are no part of it, since clients move them from turn to turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import singledispatch
from typing import Any

from lingma_trio.api.anthropic.asked_blocks import (
    BlocksWithin,
    ByAddress,
    GivenCompaction,
    GivenDocument,
    GivenHostedCall,
    GivenHostedResult,
    GivenImage,
    GivenSearchResult,
    GivenText,
    GivenToolReference,
    InlineDocument,
    InlinePicture,
    PictureByFile,
    PlainText,
)
from lingma_trio.api.content import Content, joined, picture
from lingma_trio.api.files import File
from lingma_trio.api.json_text import canonical

FAILED = "[the tool failed]"
"""What the model is told of a tool that did not do what it was called for."""

_SUMMARY = "[summary of the conversation so far]"
_MAX_DEPTH = 32  # of what a hosted tool answered

# What only Anthropic can read.
_SEALED = frozenset({"encrypted_content", "encrypted_index", "encrypted_stdout"})


def read_content(value: str | Sequence[object] | None) -> Content:
    """Read content: a text, described blocks, or nothing.

    The blocks' texts and placeholders are joined by line breaks, so that a string and one block of text are alike.
    """
    if value is None:
        return Content()
    if isinstance(value, str):
        return Content(value)
    return join(read_block(block).within(f"[{place}]") for place, block in enumerate(value))


def join(parts: Iterable[Content]) -> Content:
    """Return the parts as one, each that has text on a line of its own."""
    return joined([part for part in parts if part.text])


@singledispatch
def read_block(block: object) -> Content:
    """Read one described block, which may hold others; empty for one of which nothing is for the model."""
    del block
    return Content()


@read_block.register
def _(block: str) -> Content:
    return Content(block)


@read_block.register
def _(block: GivenText) -> Content:
    return Content(block.text)


@read_block.register
def _(block: GivenSearchResult) -> Content:
    return join([Content(block.title or ""), Content(block.source or ""), read_content(block.content)])


@read_block.register
def _(block: GivenToolReference) -> Content:
    return Content(f"[tool {block.tool_name}]")


@read_block.register
def _(block: GivenCompaction) -> Content:
    return Content(f"{_SUMMARY}\n{block.content}") if block.content else Content()


@read_block.register
def _(block: GivenHostedCall) -> Content:
    return Content(f"[{block.name} was called with {canonical(block.input)}]")


@read_block.register
def _(block: GivenHostedResult) -> Content:
    failed = f"{FAILED}\n" if block.is_error else ""
    return Content(f"[{block.type}]\n{failed}{canonical(_unsealed(block.content))}")


@read_block.register
def _(block: GivenImage) -> Content:
    """Read a picture; one that was uploaded elsewhere has no address."""
    match block.source:
        case InlinePicture(media_type=kind, data=data):
            return picture(data, f"data:{kind};base64,{data}", ".source.data")
        case ByAddress(url=address):
            return picture(address, address, ".source.url")
        case PictureByFile(file_id=file):
            return picture(file, "", ".source.file_id")


@read_block.register
def _(block: GivenDocument) -> Content:
    """Read a document: its text, or the picture that it is, below its title."""
    words = [Content(block.title or ""), Content(block.context or "")]
    return join([*words, _document(block.source)])


def _document(source: object) -> Content:
    match source:
        case PlainText(data=text):
            return Content(text)
        case BlocksWithin(content=content):
            return read_content(content).within(".source.content")
        case InlineDocument(file=File(text=text, image="")):
            return Content(text)
        case InlineDocument(file=File(image=address)):
            return picture(address, address, ".source.data")
        case _:
            return Content()


def _unsealed(value: Any, depth: int = _MAX_DEPTH) -> Any:  # noqa: ANN401 - any JSON
    """Return what a hosted tool answered, without what only Anthropic can read."""
    if isinstance(value, dict):
        if not depth:
            return None
        return {name: _unsealed(part, depth - 1) for name, part in value.items() if name not in _SEALED}
    if isinstance(value, list):
        return [_unsealed(part, depth - 1) for part in value] if depth else None
    return value
