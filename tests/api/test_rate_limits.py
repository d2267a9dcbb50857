"""The headers of limits: names and forms that each API's clients read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lingma_trio.api.rate_limits import anthropic_headers, duration, openai_headers
from lingma_trio.policy.rate_limit import Allowance


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (0.0001, "1ms"), (0.012, "12ms"), (0.9991, "1s"), (1, "1s"), (1.2, "2s"), (59.5, "1m0s"),
        (60, "1m0s"), (360, "6m0s"), (3605, "1h0m5s"),
    ],
)  # fmt: skip
def test_duration_is_in_openais_form(seconds: float, text: str) -> None:
    """Milliseconds below a second, then hours, minutes and seconds; never less than the wait."""
    assert duration(seconds) == text


def test_openai_names() -> None:
    """Limit, rest and reset have a header each for requests and for tokens."""
    assert dict(openai_headers("tokens", Allowance(100, 40, 0.5))) == {
        b"x-ratelimit-limit-tokens": b"100",
        b"x-ratelimit-remaining-tokens": b"40",
        b"x-ratelimit-reset-tokens": b"500ms",
    }


def test_anthropic_names() -> None:
    """The same in Anthropic's order of words, with a moment for the reset."""
    now = datetime(2027, 1, 31, 23, 59, 30, tzinfo=UTC)
    assert dict(anthropic_headers("requests", Allowance(100, 40, 30.0), now)) == {
        b"anthropic-ratelimit-requests-limit": b"100",
        b"anthropic-ratelimit-requests-remaining": b"40",
        b"anthropic-ratelimit-requests-reset": b"2027-02-01T00:00:00Z",
    }
