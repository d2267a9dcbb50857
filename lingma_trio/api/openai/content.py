"""What a message holds, as text with placeholders and digests of what is no text.

Knows OpenAI's content parts, those of its Responses API included; must not know roles or whole conversations.

Parts are read by hand and not by models: they also stand in the items of responses, which are kept and repeated as they
came, with what nobody described; and clients leave their kinds out or give texts in their place.
"""

from __future__ import annotations

from typing import Any

from lingma_trio.api.asked.fields import MAX_PARTS
from lingma_trio.api.content import Content, joined, picture
from lingma_trio.api.fields import check_length, invalid, required_string, safe_kind, string
from lingma_trio.api.files import NOT_KEPT, FileFault, read_data
from lingma_trio.api.json_text import canonical
from lingma_trio.errors import InvalidRequest

_TEXT_FIELDS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
_PICTURES = ("image_url", "input_image", "computer_screenshot")
_FILES = ("file", "input_file")
_MAX_DEPTH = 8  # of content within a tool's result

# Where the content of a picture stands, at any depth of its part; what lies beside it (a level of detail, a mark for
# caching) may change from one turn to the next although the picture is the same.
_SOURCES = ("image_url", "url", "file_id")


def read_content(value: object, *, param: str, depth: int = _MAX_DEPTH) -> Content:
    """Read a `content` field: a string, an array of parts, or null.

    The parts' texts and placeholders are joined by line breaks, a file being its text. Raises `InvalidRequest` that
    names the field or the part, also for a part of a kind that is not known here.
    """
    if value is None:
        return Content()
    if isinstance(value, str):
        return Content(value)
    if not isinstance(value, list):
        raise invalid(param, "a string, an array of content parts, or null", value)
    check_length(len(value), MAX_PARTS, param=param)
    return joined([read_part(part, param=f"{param}[{index}]", depth=depth) for index, part in enumerate(value)])


def read_part(part: object, *, param: str, depth: int = _MAX_DEPTH) -> Content:
    """Read one content part. Raises `InvalidRequest` as `read_content` does."""
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
    if kind in _PICTURES:
        return _read_picture(part, param=param)
    if kind in _FILES:
        return _read_file(part, param=param)
    if kind == "tool_result" and depth:
        return _read_result(part, param=param, depth=depth - 1)
    param = f"{param}.type"
    raise InvalidRequest(f"{param} must be a kind of content that is read here, not {_named(kind)}.", param=param)


def _read_result(part: dict[str, Any], *, param: str, depth: int) -> Content:
    """Read a tool's result as Anthropic has it, below the call that it is of."""
    content = read_content(part.get("content"), param=f"{param}.content", depth=depth)
    call = string(part.get("tool_use_id"), param=f"{param}.tool_use_id")
    return joined([Content(f"[result of {call}]"), content]) if call else content


def _read_picture(part: dict[str, Any], *, param: str) -> Content:
    """Read a picture; one that was uploaded elsewhere has no address."""
    image = part.get("image_url")
    address = image.get("url") if isinstance(image, dict) else image
    if isinstance(address, str) and address:
        return _picture(part, address, f"{param}.image_url")
    return _picture(part, "", f"{param}.file_id" if part.get("file_id") else f"{param}.image_url")


def _picture(part: dict[str, Any], address: str, field: str) -> Content:
    return picture(_source(part), address, field)


def _read_file(part: dict[str, Any], *, param: str) -> Content:
    """Read a file: its text is text, and one that holds a picture is that picture."""
    inner = part.get("file")
    held, param = (inner, f"{param}.file") if isinstance(inner, dict) else (part, param)
    data, name = held.get("file_data"), string(held.get("filename"), param=f"{param}.filename")
    if data is None:
        elsewhere = next((each for each in ("file_id", "file_url") if held.get(each)), "")
        if elsewhere:
            raise InvalidRequest(f"{param}.{elsewhere} {NOT_KEPT} in file_data.", param=f"{param}.{elsewhere}")
    param = f"{param}.file_data"
    try:
        file = read_data(required_string(data, param=param), name=name)
    except FileFault as fault:
        raise InvalidRequest(f"{param} {fault}.", param=param) from fault
    return _picture({"image_url": file.image}, file.image, param) if file.image else Content(file.text)


def _named(kind: object) -> str:
    return safe_kind(kind if isinstance(kind, str) else "", "one without a name")


def _source(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        for key in _SOURCES:
            if value.get(key):
                return _source(value[key])
    return canonical(value)
