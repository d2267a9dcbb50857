"""Requests and what answers them."""

from __future__ import annotations

import pytest

from lingma_trio.protocol.request import Refusal


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [(Refusal(500, "broken"), "broken"), (Refusal(-32603, ""), "-32603"), (Refusal(0, ""), "")],
)
def test_a_refusal_says_something_wherever_it_can(refusal: Refusal, reason: str) -> None:
    """The message, else the code, unless that is ours."""
    assert refusal.reason == reason
