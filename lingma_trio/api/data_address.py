"""`data:` addresses as upstream takes them: base64 in them without what addresses are escaped by, and without blanks.

Knows RFC 2397 and how a browser reads such an address; must not know what is in one.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

_HEAD: Final = re.compile(r"data:[^,]{0,256};\s{0,4}base64,", re.IGNORECASE)
_BLANKS: Final = "\t\n\f\r "
_SLICE: Final = 64 * 1024
"""Characters that are read at once: each escape is an object of its own until they are joined."""
_ESCAPE: Final = len("%2B")


def plain_address(address: str) -> str:
    """The same address with its base64 as it is; any other address as it is given."""
    head = _HEAD.match(address)
    return address if head is None else head[0] + plain_base64(address[head.end() :])


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
