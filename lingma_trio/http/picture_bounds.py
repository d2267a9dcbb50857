"""What pictures may take that are fetched by their address: bytes and seconds, each and together.

Knows numbers; must not know how one is fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lingma_trio.errors import ImageUnavailable

LARGEST = 2  # how many pictures of the largest size, or seconds for pictures that take longest, one conversation has


@dataclass(frozen=True, slots=True)
class PictureBounds:
    """What one picture may take: bytes, and seconds from the first look-up of its name to its last byte.

    Those of one conversation may take together what LARGEST of them may.
    """

    max_size: int
    seconds: float

    @property
    def all_size(self) -> int:
        """Bytes of all pictures of one conversation."""
        return self.max_size * LARGEST

    @property
    def all_seconds(self) -> float:
        """Seconds for them, from the first to the last."""
        return self.seconds * LARGEST


class Ration:
    """What the pictures of one conversation still may take; `take` is told of the bytes that they are held as.

    `take` may raise a `GatewayError`, which then ends the fetching.
    """

    def __init__(self, bounds: PictureBounds, take: Callable[[int], None]) -> None:
        self._bounds = bounds
        self._left = bounds.all_size
        self._take = take

    def use(self, size: int) -> None:
        """Count bytes that have come. Raises `ImageUnavailable` where they are too many."""
        self._left -= size
        if self._left < 0:
            raise ImageUnavailable(
                f"the images are over {self._bounds.all_size} bytes together, which is {LARGEST} times MAX_IMAGE_BYTES;"
                " send fewer or smaller ones"
            )
        self._take(-(-size * 4 // 3))  # as base64
