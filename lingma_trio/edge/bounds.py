"""What one client may take of the server, as numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of the edge. Times are in seconds, sizes in bytes.

    `connections` hold at once, `per_address` of them by one address. A head has at most `head_size` and `fields`, and
    comes within `head_seconds`, a TLS handshake counted in. A connection without a request is closed after
    `idle_seconds`. A client that takes nothing of what waits for it for `stall_seconds`, or less than `min_rate` bytes
    a second, is cut off.
    """

    connections: int = 1024
    per_address: int = 1024
    head_size: int = 64 * 1024
    fields: int = 100
    head_seconds: float = 10.0
    idle_seconds: float = 60.0
    stall_seconds: float = 20.0
    min_rate: int = 1000
