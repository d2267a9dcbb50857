"""What a message holds, whichever surface it came by: text with placeholders, and what stands behind those.

Knows no surface's parts; each reads its own into this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from hashlib import blake2b
from typing import Final

from lingma_trio.api.data_address import plain_address
from lingma_trio.records import record
from lingma_trio.turns import Message, Role, ToolCall, breaks_between

IMAGE: Final = "[image]"
"""What stands in the text for a picture."""

_DIGEST_BYTES: Final = 16


@record
class Content:
    """Content as `Message` has it.

    Text with placeholders, a digest for each placeholder in turn, the addresses of the pictures among them, where in
    the text one part ends and the next begins, and in which field each of the pictures stands.
    """

    text: str = ""
    attachments: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    breaks: tuple[int, ...] = ()
    image_fields: tuple[str, ...] = field(default=(), compare=False)

    def within(self, field: str) -> Content:
        """The same, with its pictures in fields of `field`."""
        if not self.images:
            return self
        return replace(self, image_fields=tuple(field + inner for inner in self.image_fields))

    def message(
        self, role: Role, *, name: str = "", tool_call_id: str = "", tool_calls: tuple[ToolCall, ...] = ()
    ) -> Message:
        """The message that holds this."""
        return Message(
            role,
            self.text,
            name,
            tool_call_id,
            tool_calls,
            self.attachments,
            self.images,
            self.breaks,
            self.image_fields,
        )


def joined(parts: Sequence[Content]) -> Content:
    """Return parts as one, each on a line of its own."""
    if len(parts) == 1:
        return parts[0]
    texts = [part.text for part in parts]
    return Content(
        "\n".join(texts),
        tuple(digest for part in parts for digest in part.attachments),
        tuple(image for part in parts for image in part.images),
        breaks_between(texts),
        tuple(place for part in parts for place in part.image_fields),
    )


def picture(source: str, address: str, field: str) -> Content:
    """Return a picture: `source` tells it from another, `address` is empty where nobody here can ask for it."""
    digest = blake2b(source.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return Content(IMAGE, (digest,), (plain_address(address),), image_fields=(field,))
