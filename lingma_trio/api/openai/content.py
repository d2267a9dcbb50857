"""What a message holds, as text with placeholders and digests of what is no text.

Knows OpenAI's content parts, those of its Responses API included; must not know roles or whole conversations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from lingma_trio.api.fields import check_length, invalid, required_string
from lingma_trio.api.json_text import canonical
from lingma_trio.api.request_fields import MAX_PARTS
from lingma_trio.turns import breaks_between

_TEXT_FIELDS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
_PICTURES = ("image_url", "input_image")
_PLACEHOLDERS = {
    "image_url": "[image]",
    "input_image": "[image]",
    "input_audio": "[audio]",
    "file": "[file]",
    "input_file": "[file]",
}

# Where the content of an attachment stands, at any depth of its part; what lies beside it (a level of detail, a mark
# for caching) may change from one turn to the next although the attachment is the same.
_SOURCES = (
    "image_url",
    "input_audio",
    "file",
    "source",
    "url",
    "data",
    "file_data",
    "file_url",
    "file_id",
)

_MAX_KIND = 40
_UNSAFE_IN_KIND = re.compile(r"[^A-Za-z0-9_.-]+")
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Content:
    """A message's content as `Message` has it.

    Text with placeholders, a digest for each placeholder in turn, the addresses of the pictures among them, and where
    in the text one part ends and the next begins.
    """

    text: str = ""
    attachments: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    breaks: tuple[int, ...] = ()


def read_content(value: object, *, param: str) -> Content:
    """Read a `content` field: a string, an array of parts, or null.

    The parts' texts and placeholders are joined by line breaks. A part of a kind unknown here becomes a placeholder
    that names the kind. Raises `InvalidRequest` that names the field or the part.
    """
    if value is None:
        return Content()
    if isinstance(value, str):
        return Content(value)
    if not isinstance(value, list):
        raise invalid(param, "a string, an array of content parts, or null", value)
    check_length(len(value), MAX_PARTS, param=param)
    parts = [_read_part(part, param=f"{param}[{index}]") for index, part in enumerate(value)]
    return Content(
        "\n".join(part.text for part in parts),
        tuple(digest for part in parts for digest in part.attachments),
        tuple(image for part in parts for image in part.images),
        breaks_between([part.text for part in parts]),
    )


def _read_part(part: object, *, param: str) -> Content:
    if isinstance(part, str):
        return Content(part)
    if not isinstance(part, dict):
        raise invalid(param, 'a content part such as {"type": "text", "text": "..."}', part)
    kind = part.get("type")
    if kind is None and "text" in part:
        kind = "text"
    if isinstance(kind, str) and kind in _TEXT_FIELDS:
        field = _TEXT_FIELDS[kind]
        return Content(required_string(part.get(field), param=f"{param}.{field}"))
    return Content(_placeholder(kind), (_digest(part),), _images(part) if kind in _PICTURES else ())


def _images(part: dict[str, Any]) -> tuple[str, ...]:
    """The address of a picture; one that was uploaded elsewhere has none, and stays a placeholder."""
    image = part.get("image_url")
    address = image.get("url") if isinstance(image, dict) else image
    return (address,) if isinstance(address, str) and address else ()


def _placeholder(kind: object) -> str:
    if not isinstance(kind, str):
        return "[part]"
    known = _PLACEHOLDERS.get(kind)
    return known or f"[{_UNSAFE_IN_KIND.sub('', kind[:_MAX_KIND]) or 'part'}]"


def _digest(part: dict[str, Any]) -> str:
    return blake2b(_source(part).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _source(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        for key in _SOURCES:
            if value.get(key):
                return _source(value[key])
    return canonical(value)
