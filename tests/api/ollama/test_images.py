"""Pictures that come as base64 without a word of their kind."""

from __future__ import annotations

from base64 import b64encode

import pytest

from lingma_trio.api.ollama.images import read_images
from lingma_trio.errors import InvalidRequest

PNG = b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()
WEBP = b64encode(b"RIFF\n\0\0\0WEBP" + bytes(60)).decode()


def test_each_becomes_an_address_of_its_kind() -> None:
    """The content is the client's own, also where it wrapped the lines of it or gave the address itself."""
    wrapped = "\n".join([PNG[:30], PNG[30:], ""])
    given = [PNG, WEBP, wrapped, "data:image/gif;base64,R0lGODlh"]
    assert read_images(given, param="images") == [
        f"data:image/png;base64,{PNG}",
        f"data:image/webp;base64,{WEBP}",
        f"data:image/png;base64,{PNG}",
        "data:image/gif;base64,R0lGODlh",
    ]


@pytest.mark.parametrize(
    "image", ["", "%%%%", "AAAA", "iVBORw0KGg\u4f60", "/etc/passwd", b64encode(b"<svg/>").decode()]
)
def test_what_is_no_picture_is_named(image: str) -> None:
    """The fault names which one it is, and not what it holds."""
    with pytest.raises(InvalidRequest, match="PNG, JPEG, GIF or WebP") as refused:
        read_images([PNG, image], param="messages[0].images")
    assert refused.value.param == "messages[0].images[1]"
    assert not image or image not in refused.value.message
