"""What is held of a text that comes in small pieces."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable

PIECES = 10_000 if sys.version_info >= (3, 12) else 100_001
"""The oldest Python's `io.StringIO` makes one text of what was written each hundred thousand times."""


def held_for_each(take: Callable[[str], object]) -> float:
    """Bytes that are held for each piece of four characters, when many were taken."""
    tracemalloc.start()
    try:
        for number in range(PIECES):
            take(f"{number:04}")
        return tracemalloc.get_traced_memory()[0] / PIECES
    finally:
        tracemalloc.stop()
