"""What a turn wants sent to Lingma."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One request: itself and no other, so that its answer can be told from another one's.

    `awaited` says that the answer goes back to whoever wanted it sent; nobody else ever waits for it. `about` tells
    several of one method apart.
    """

    method: str
    params: dict[str, Any]
    awaited: bool = False
    about: str = ""
