"""What a message's content blocks hold, as text with placeholders, digests of what is no text, and pictures.

Knows Anthropic's content blocks; must not know roles or whole conversations. Marks for caching and whatever else lies
beside a block's content are no part of it, since clients move them from turn to turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

from lingma_trio.api.fields import (
    check_length,
    invalid,
    json_object,
    optional_object,
    required_string,
    string,
)
from lingma_trio.api.json_text import canonical
from lingma_trio.api.request_fields import MAX_PARTS
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import breaks_between

Block: TypeAlias = dict[str, Any]

MAX_DEPTH = 8
"""Of content within content: a document in a tool's result is two levels deep."""

# Fields beside a block's content.
_MARKS = frozenset({"cache_control", "citations"})

_IMAGE = "[image]"
_MAX_KIND = 40
_UNSAFE_IN_KIND = re.compile(r"[^A-Za-z0-9_.-]+")
_MEDIA_TYPE = re.compile(r"image/[a-z0-9.+-]{1,40}")
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Content:
    """Content as `Message` has it: text with placeholders, a digest for each in turn, the addresses of pictures, and
    where in the text one part ends and the next begins.
    """

    text: str = ""
    attachments: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    breaks: tuple[int, ...] = ()


def read_content(value: object, *, param: str, depth: int = MAX_DEPTH) -> Content:
    """Read content: a string, an array of blocks, or null.

    The blocks' texts and placeholders are joined by line breaks, so that a string and one block of text are alike. A
    block of a kind unknown here becomes a placeholder that names the kind; reasoning that a client sends back is left
    out. Raises `InvalidRequest` that names the field or the block.
    """
    if value is None:
        return Content()
    if isinstance(value, str):
        return Content(value)
    if not isinstance(value, list):
        raise invalid(param, "a string or an array of content blocks", value)
    check_length(len(value), MAX_PARTS, param=param)
    return join(read_block(block, param=f"{param}[{index}]", depth=depth) for index, block in enumerate(value))


def join(parts: Iterable[Content]) -> Content:
    """Return the parts as one, each that has text on a line of its own."""
    held = tuple(parts)
    texts = [part.text for part in held if part.text]
    return Content(
        "\n".join(texts),
        tuple(digest for part in held for digest in part.attachments),
        tuple(image for part in held for image in part.images),
        breaks_between(texts),
    )


def read_block(value: object, *, param: str, depth: int = MAX_DEPTH) -> Content:
    """Read one block, which may hold others. Raises `InvalidRequest` that names it, or the field of it at fault."""
    if isinstance(value, str):
        return Content(value)
    block = json_object(value, param=param)
    if depth == 0:
        raise InvalidRequest(f"{param} lies too deep: content may be nested {MAX_DEPTH} times.", param=param)
    kind = block.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    return Content(_placeholder(kind), (_digest(block),)) if read is None else read(block, param, depth - 1)


def _read_text(block: Block, param: str, depth: int) -> Content:
    del depth
    return Content(required_string(block.get("text"), param=f"{param}.text"))


def _read_reasoning(block: Block, param: str, depth: int) -> Content:
    """Leave out reasoning that a client sends back: it was no part of the answer."""
    del block, param, depth
    return Content()


def _read_search_result(block: Block, param: str, depth: int) -> Content:
    words = [string(block.get(name), param=f"{param}.{name}") for name in ("title", "source")]
    return join([*map(Content, words), read_content(block.get("content"), param=f"{param}.content", depth=depth)])


def _read_tool_reference(block: Block, param: str, depth: int) -> Content:
    del depth
    return Content(f"[tool {string(block.get('tool_name'), param=f'{param}.tool_name')}]")


def _read_image(block: Block, param: str, depth: int) -> Content:
    """Read a picture. Of a file that was uploaded elsewhere there is nothing to show."""
    del depth
    param = f"{param}.source"
    source = json_object(block.get("source"), param=param)
    match source.get("type"):
        case "base64":
            kind = _read_media_type(source.get("media_type"), param=f"{param}.media_type")
            data = required_string(source.get("data"), param=f"{param}.data")
            return Content(_IMAGE, (_digest(data),), (f"data:{kind};base64,{data}",))
        case "url":
            address = required_string(source.get("url"), param=f"{param}.url")
            return Content(_IMAGE, (_digest(address),), (address,))
        case _:
            return Content(_IMAGE, (_digest(source),))


def _read_media_type(value: object, *, param: str) -> str:
    kind = required_string(value, param=param).strip().lower()
    if not _MEDIA_TYPE.fullmatch(kind):
        raise InvalidRequest(f"{param} must be a type such as image/png.", param=param)
    return kind


def _read_document(block: Block, param: str, depth: int) -> Content:
    """Read a document: what of it is text is text, and anything else a placeholder below its title."""
    source = optional_object(block.get("source"), param=f"{param}.source")
    words = [string(block.get(name), param=f"{param}.{name}") for name in ("title", "context")]
    match source.get("type"):
        case "text":
            content = Content(required_string(source.get("data"), param=f"{param}.source.data"))
        case "content":
            content = read_content(source.get("content"), param=f"{param}.source.content", depth=depth)
        case _:
            content = Content("[document]", (_digest(source),))
    return join([*map(Content, words), content])


def _placeholder(kind: object) -> str:
    return f"[{_UNSAFE_IN_KIND.sub('', kind[:_MAX_KIND] if isinstance(kind, str) else '') or 'block'}]"


def _digest(value: object) -> str:
    content = {name: part for name, part in value.items() if name not in _MARKS} if isinstance(value, dict) else value
    return blake2b(canonical(content).encode(), digest_size=_DIGEST_BYTES).hexdigest()


_READERS: dict[str, Callable[[Block, str, int], Content]] = {
    "text": _read_text,
    "thinking": _read_reasoning,
    "redacted_thinking": _read_reasoning,
    "image": _read_image,
    "document": _read_document,
    "search_result": _read_search_result,
    "tool_reference": _read_tool_reference,
}
