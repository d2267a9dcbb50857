"""How pictures begin."""

from __future__ import annotations

import pytest

from lingma_trio.api.picture_kind import BEGINNING, picture_kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\n\0\0\0WEBP", "image/webp"),
        (b"RIFF\n\0\0\0WAVE", ""),
        (b"<svg>", ""),
        (b"", ""),
    ],
)
def test_a_kind_is_told_by_the_beginning(data: bytes, kind: str) -> None:
    """The kinds that models take are told by their first bytes, and nothing else passes for one."""
    assert picture_kind(data[:BEGINNING]) == kind
