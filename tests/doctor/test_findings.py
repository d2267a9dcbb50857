"""The verdict is the worst of what was found."""

from __future__ import annotations

import pytest

from lingma_trio.doctor.findings import Finding, Level, verdict


@pytest.mark.parametrize(
    ("levels", "worst"),
    [
        ([], "fine"),
        (["fine", "skipped"], "fine"),
        (["warning", "fine"], "warning"),
        (["warning", "fault", "fine"], "fault"),
    ],
)
def test_verdict_is_the_worst(levels: list[Level], worst: str) -> None:
    """A fault outweighs a warning, and what was skipped weighs nothing."""
    assert verdict(Finding("check", level, "what") for level in levels) == worst
