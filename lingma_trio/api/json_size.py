"""Refuses a body that would take too long to read, before anything reads it.

Knows the fault; must not know how JSON is counted, which is `policy.json_size`'s.
"""

from __future__ import annotations

from lingma_trio.errors import BodyTooLarge
from lingma_trio.policy.json_size import excess


def check_size(body: bytes) -> None:
    """Raise `BodyTooLarge` where a JSON text has too many values or too long numbers in it."""
    if found := excess(body):
        raise BodyTooLarge(
            f"the request's body has {found} in it; send fewer messages and parts, or put data into texts"
        )
