"""The pictures of a message, which come as base64 without a word of their kind.

Knows base64 and how pictures begin; must not know messages.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import TYPE_CHECKING, Final

from lingma_trio.api.picture_kind import BEGINNING, picture_kind
from lingma_trio.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

_DATA: Final = "data:"
_BEGINNING: Final = -(-BEGINNING * 4 // 3)
"""Characters of base64 that hold the first bytes of a picture."""


def read_images(given: Sequence[str], *, param: str) -> list[str]:
    """Return the address of each picture; raises `InvalidRequest` that names the one that is none."""
    return [_address(image, param=f"{param}[{index}]") for index, image in enumerate(given)]


def _address(image: str, *, param: str) -> str:
    if image[: len(_DATA)].lower() == _DATA:
        return image
    text = "".join(image.split())  # some wrap the lines of base64, which an address may not hold
    try:
        kind = picture_kind(b64decode(text[:_BEGINNING], validate=True))
    except (binascii.Error, ValueError):
        kind = ""
    if not kind:
        raise InvalidRequest(f"{param} must be a PNG, JPEG, GIF or WebP picture as base64.", param=param)
    return f"{_DATA}{kind};base64,{text}"
