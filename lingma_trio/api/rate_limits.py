"""What a key may still use, as the headers by which clients of each API look for it.

Knows header names and the forms of their values; must not know what is counted or how.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil

from lingma_trio.policy.rate_limit import Allowance

_SECOND = 1000


def openai_headers(kind: str, allowance: Allowance) -> Iterator[tuple[bytes, bytes]]:
    """`x-ratelimit-…-KIND`, where `kind` is `requests` or `tokens`; the reset is a duration such as `12ms`, `6m0s`."""
    yield f"x-ratelimit-limit-{kind}".encode(), b"%d" % allowance.limit
    yield f"x-ratelimit-remaining-{kind}".encode(), b"%d" % allowance.remaining
    yield f"x-ratelimit-reset-{kind}".encode(), duration(allowance.reset).encode()


def anthropic_headers(kind: str, allowance: Allowance, now: datetime) -> Iterator[tuple[bytes, bytes]]:
    """`anthropic-ratelimit-KIND-…`; the reset is a moment in RFC 3339, which is why the time of day is wanted."""
    reset = (now + timedelta(seconds=ceil(allowance.reset))).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield f"anthropic-ratelimit-{kind}-limit".encode(), b"%d" % allowance.limit
    yield f"anthropic-ratelimit-{kind}-remaining".encode(), b"%d" % allowance.remaining
    yield f"anthropic-ratelimit-{kind}-reset".encode(), reset.encode()


def duration(seconds: float) -> str:
    """The seconds as OpenAI writes them, rounded up: `0s`, `12ms`, `1s`, `6m0s`, `1h0m5s`."""
    milliseconds = ceil(seconds * _SECOND)
    if 0 < milliseconds < _SECOND:
        return f"{milliseconds}ms"
    minutes, rest = divmod(ceil(milliseconds / _SECOND), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"
