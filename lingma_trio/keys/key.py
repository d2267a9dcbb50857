"""One API key, and the notations of API_KEYS.

Knows texts. Does not know where they came from. No fault it reports holds any part of what was written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from pydantic import SecretStr

from lingma_trio.keys.examples import FAULT, is_published

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A key's name: what logs, metrics and statistics show in its place."""

DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
PREFIX = "sk-"
"""How a key begins that has a name before it, and every key that is made here."""

_LOOKS_LIKE_DIGEST = "sha256:"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key by its SHA-256, and what may be done with it.

    `secret` is the key itself where the settings hold it, else empty. Limits of 0 are no limits; a key without `models`
    may use all of them; `expires` has a time zone.
    """

    name: str
    digest: bytes = field(repr=False)
    secret: SecretStr = SecretStr("")
    max_in_flight: int = 0
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    models: tuple[str, ...] = ()
    expires: datetime | None = None

    def may_use(self, *names: str) -> bool:
        """Whether the model that has these names may be asked; their case does not count."""
        allowed = {model.casefold() for model in self.models}
        return not allowed or any(name.casefold() in allowed for name in names)


def digest_of(key: str) -> bytes:
    """The SHA-256 of a key."""
    return sha256(key.encode("utf-8", "replace")).digest()


def written_digest(key: str) -> str:
    """A key's digest as the settings and KEYS_FILE write it."""
    return _LOOKS_LIKE_DIGEST + digest_of(key).hex()


def parse_digest(text: str) -> bytes:
    """Read `sha256:` and 64 hexadecimal digits. Raises `ValueError`."""
    found = DIGEST.fullmatch(text)
    if found is None:
        raise ValueError("is not sha256: and 64 hexadecimal digits")
    return bytes.fromhex(found[1])


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """Read a comma list of `KEY`, `NAME:sk-…`, `sha256:DIGEST` and `NAME:sha256:DIGEST`; the same key twice is one key.

    A text with a colon of any other form is a key as a whole. Keys without a name are called `key-1`, `key-2` and so
    on, by their place. Raises `ValueError`, which names the place of each faulty entry, counted from 1; one that the
    documentation shows is faulty.
    """
    keys: dict[bytes, ApiKey] = {}
    faults: list[str] = []
    for place, entry in enumerate(filter(None, map(str.strip, text.split(","))), start=1):
        try:
            key = _parse(entry, place)
        except ValueError as fault:
            faults.append(f"entry {place} {fault}")
        else:
            if is_published(key.digest):
                faults.append(f"entry {place} {FAULT}")
            keys.setdefault(key.digest, key)
    faults.extend(name_faults(keys.values()))
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(keys.values())


def name_faults(keys: Iterable[ApiKey]) -> list[str]:
    """What is wrong with the names of these keys together."""
    counts = Counter(key.name for key in keys)
    return [f"two keys have the name {name}" for name, count in counts.items() if count > 1]


def _parse(entry: str, place: int) -> ApiKey:
    name, colon, rest = entry.partition(":")
    if not (colon and NAME.fullmatch(name) and rest.startswith((PREFIX, _LOOKS_LIKE_DIGEST))):
        name, rest = f"key-{place}", entry
    if rest.startswith(_LOOKS_LIKE_DIGEST):
        return ApiKey(name, parse_digest(rest))
    if not (rest.isascii() and rest.isprintable() and " " not in rest):
        raise ValueError("holds a key that no header can carry: use printable ASCII without blanks")
    return ApiKey(name, digest_of(rest), SecretStr(rest))
