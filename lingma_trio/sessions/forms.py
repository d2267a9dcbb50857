"""The normal forms of texts as digests, remembered for texts that come again and again."""

from __future__ import annotations

from typing import Final

from lingma_trio.sessions.packing import digest, encode, pack
from lingma_trio.sessions.text_form import normal_form

LONG_TEXT: Final = 512
MOST_FORMS: Final = 16_384
"""Texts of LONG_TEXT characters and more whose form is remembered, which takes 200 bytes each: a conversation comes
with all that was said before each time, and its form costs fifty times its digest.
"""


class Forms:
    """The digests of texts in their normal form, remembered for long ones. May be used by several threads at once.

    Of more than MOST_FORMS all are forgotten, which costs time and nothing else.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return f"<Forms {len(self._known)}>"

    def digest(self, text: str) -> bytes:
        """The digest of the form of `text`: equal for equal forms."""
        if len(text) < LONG_TEXT:
            return _form_digest(text)
        exact = digest(encode(text))
        found = self._known.get(exact)
        if found is None:
            found = _form_digest(text)
            if len(self._known) >= MOST_FORMS:
                self._known = {}
            self._known[exact] = found
        return found


def _form_digest(text: str) -> bytes:
    return digest(pack(*[field for piece in normal_form(text) for field in piece]))
