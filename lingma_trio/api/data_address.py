"""`data:` addresses as upstream takes them: base64 without escapes and blanks, by the kind that the picture in it is.

Knows RFC 2397 and how a browser reads such an address; must not know where one stands.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from lingma_trio.api.picture_kind import kind_in_base64

_HEAD: Final = re.compile(r"data:[^,]{0,256};\s{0,4}base64,", re.IGNORECASE)
_BLANKS: Final = "\t\n\f\r "
_SLICE: Final = 16 * 1024
"""Characters that are read at once: each escape is an object of its own until they are joined."""
_ESCAPE: Final = len("%2B")


def plain_address(address: str) -> str:
    """The same picture at its plain address; any other address as it is given.

    Many a client calls every picture a JPEG, leaves out the padding, or writes base64 as addresses have it. One of a
    kind that is not known is called as it was: it is Lingma's to say whether it takes such.
    """
    head = _HEAD.match(address)
    if head is None:
        return address
    data = plain_base64(address[head.end() :])
    kind = kind_in_base64(data)
    if not kind:
        return head[0] + data
    padding = "=" * (-len(data) % 4)
    return f"data:{kind};base64,{data.replace('-', '+').replace('_', '/')}{padding}"


def plain_base64(text: str) -> str:
    """Base64 as an address has it, without escapes and blanks; what was none still is none."""
    if "%" in text:
        text = b"".join(map(unquote_to_bytes, _slices(text))).decode("utf-8", "replace")
    for blank in _BLANKS:
        text = text.replace(blank, "")
    return text


def _slices(text: str) -> list[str]:
    """The text in pieces, none of which ends within an escape."""
    slices = []
    begin = 0
    while begin < len(text):
        end = begin + _SLICE
        cut = text.find("%", end - _ESCAPE + 1, end)
        end = end if cut < 0 else cut
        slices.append(text[begin:end])
        begin = end
    return slices
