"""Makes a key: the text for whoever is to use it, and the entry for KEYS_FILE, which has its digest alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from lingma_trio.keys.document import KeysFault
from lingma_trio.keys.key import NAME, PREFIX, written_digest

KEY_BYTES = 32


def make_key(name: str, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A new key and its entry, with `fields` beside name and digest. Raises `KeysFault` for what is no name."""
    if not NAME.fullmatch(name):
        raise KeysFault(
            "a name has 1 to 64 letters, digits, dots, dashes and underscores, and begins with one of the first two"
        )
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    return key, {"name": name, "digest": written_digest(key), **fields}


def named_models(given: Iterable[str]) -> list[str]:
    """The names of models for an entry, without the blanks around them.

    Raises `KeysFault` where there are none, such as of a variable that is not set: a key with an empty list, as one
    without, may use all models.
    """
    models = [name for name in map(str.strip, given) if name]
    if not models:
        raise KeysFault("names no model; leave it out for all")
    return models
