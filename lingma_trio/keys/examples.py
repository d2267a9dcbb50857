"""The keys and tokens that the documentation shows: everybody knows them, so they guard nothing and are refused.

Knows texts. A test holds the list against README, `docs/`, `deploy/` and `.env.example`.
"""

from __future__ import annotations

from hashlib import sha256

PLACEHOLDER_API_KEY = "replace-with-a-long-random-key"
"""What `.env.example` has for API_KEYS."""

PUBLISHED = (
    PLACEHOLDER_API_KEY,
    "replace-with-a-long-random-token",
    "replace-with-another-long-random-token",
    "a-long-random-key",
    "a-long-random-token",
    "another-token",
    "the-metrics-token",
    "sk-another-one",
    "KEY",
    "ADMIN_TOKEN",
    "METRICS_TOKEN",
    "test",
)
"""Every one that was ever printed, also where it is printed no longer."""

FAULT = "is an example that everybody can read; put one of your own there (`openssl rand -hex 32` prints one)"

_DIGESTS = frozenset(sha256(text.encode()).digest() for text in PUBLISHED)


def is_published(digest: bytes) -> bool:
    """Whether this is the SHA-256 of a key or token that the documentation shows."""
    return digest in _DIGESTS
