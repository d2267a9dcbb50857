"""The pictures of a message, which come as base64 without a word of their kind.

Knows base64 and how pictures begin; must not know messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lingma_trio.api.picture_kind import kind_in_base64
from lingma_trio.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

_DATA: Final = "data:"


def read_images(given: Sequence[str], *, param: str) -> list[str]:
    """Return the address of each picture; raises `InvalidRequest` that names the one that is none."""
    return [_address(image, param=f"{param}[{index}]") for index, image in enumerate(given)]


def _address(image: str, *, param: str) -> str:
    if image[: len(_DATA)].lower() == _DATA:
        return image
    text = "".join(image.split())  # some wrap the lines of base64, which an address may not hold
    kind = kind_in_base64(text)
    if not kind:
        raise InvalidRequest(f"{param} must be a PNG, JPEG, GIF or WebP picture as base64.", param=param)
    return f"{_DATA}{kind};base64,{text}"
