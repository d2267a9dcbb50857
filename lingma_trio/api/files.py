"""Turns a file that a client sends into what a prompt can hold: its text below its name, or a picture's address.

Knows names, media types and `data:` addresses; must not know in which fields a surface has them. Whatever is no text
is refused with its media type, since a model that is shown a placeholder answers as if there were no file.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from lingma_trio.api.data_address import plain_base64
from lingma_trio.api.pdf_text import PdfFault, pdf_text

MAX_NAME: Final = 200
"""Characters of a file's name that are shown."""

PDF: Final = "application/pdf"
_UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_CHARSETS: Final = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "utf-16", "iso-8859-1", "latin-1", "windows-1252"}
    | {"gbk", "gb2312", "gb18030", "big5", "shift_jis", "euc-kr"}
)
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
NOT_KEPT: Final = "names a file that is elsewhere; Lingma keeps none and the gateway fetches none, so send its content"


class FileFault(Exception):
    """A file that cannot be read; the message says why and what to do, as what follows on the field's path."""


@dataclass(frozen=True, slots=True)
class File:
    """What a file is in a prompt: its text, framed by its name, or the `data:` address of the picture that it is."""

    text: str = ""
    image: str = ""


def read_data(value: str, *, name: str, media_type: str = "") -> File:
    """Read a file given as a `data:` address, or as base64 of the given media type.

    Raises `FileFault` for what is neither, and for a file that holds no text.
    """
    given, data = _decode(value)
    kind, charset = _kind(given or media_type)
    if kind.startswith("image/"):
        if kind in {"image/png", "image/jpeg", "image/gif", "image/webp"}:
            return File(image=value if given else f"data:{kind};base64,{value}")
        if kind != "image/svg+xml":
            raise _refusal(name, f"is of the type {kind}; send a PNG, JPEG, GIF or WebP picture")
    if kind == PDF or data.startswith(b"%PDF-"):
        try:
            return File(framed(pdf_text(data), name))
        except PdfFault as fault:
            raise _refusal(name, str(fault)) from fault
    return File(framed(_text(data, kind, charset, name), name))


def framed(text: str, name: str) -> str:
    """The text of a file as a prompt has it, so that a model can tell where it ends."""
    shown = _shown(name)
    return f"[file {shown}]\n{text}\n[end of file {shown}]" if shown else f"[file]\n{text}\n[end of file]"


def _decode(value: str) -> tuple[str, bytes]:
    """The media type that a `data:` address names, and the content."""
    given, text, is_base64 = "", value, True
    if value[:5].lower() == "data:":
        head, comma, text = value[5:].partition(",")
        if not comma:
            raise FileFault("is a data: address without a comma before its content")
        is_base64 = head.lower().endswith(";base64")
        if is_base64:
            text = plain_base64(text)
        given = head[: -len(";base64")] if is_base64 else head
        given = given or "text/plain"
    if not is_base64:
        return given, unquote_to_bytes(text)
    try:
        return given, b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise FileFault("must be base64, or a data: address of it") from None


def _kind(media_type: str) -> tuple[str, str]:
    """The media type without its parameters, or nothing where it is none or says nothing, and its charset."""
    kind, _, parameters = media_type.lower().partition(";")
    charset = next(
        (value.strip(' "') for name, _, value in map(_pair, parameters.split(";")) if name.strip() == "charset"), ""
    )
    kind = kind.strip()
    return (kind if _MEDIA_TYPE.fullmatch(kind) and kind not in _UNKNOWN else ""), charset


def _pair(parameter: str) -> tuple[str, str, str]:
    return parameter.partition("=")


def _text(data: bytes, kind: str, charset: str, name: str) -> str:
    marked = next((codec for mark, codec in _MARKS if data.startswith(mark)), "")
    codec = marked or (charset if charset in _CHARSETS else "utf-8")
    try:
        text = data.decode(codec)
    except ValueError:
        text = "\0"
    if "\0" in text:
        what = f"is of the type {kind}, which holds no text" if kind else "is of no known type and holds no text"
        advice = "" if not kind.startswith("text/") else " in UTF-8"
        raise _refusal(name, f"{what}{advice}; send text in UTF-8, a PDF or a picture")
    return text


def _refusal(name: str, why: str) -> FileFault:
    shown = _shown(name)
    return FileFault(f"holds the file {shown}, which {why}" if shown else f"holds a file that {why}")


def _shown(name: str) -> str:
    """The name on one line, without what is invisible."""
    visible = "".join(character if character.isprintable() else " " for character in name[: 4 * MAX_NAME])
    return " ".join(visible.replace("[", "(").replace("]", ")").split())[:MAX_NAME]
