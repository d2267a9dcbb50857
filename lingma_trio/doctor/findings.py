"""What a check may find. Knows levels and words; must not know where a finding comes from or how it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["fine", "skipped", "warning", "fault"]
Verdict: TypeAlias = Literal["fine", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found out.

    `what` says what is so, `remedy` what to do about it: a command, or a variable with a value. `seconds` is how long
    the examined thing took, where that is of interest. `skipped` is for what could not or need not be looked at.
    """

    check: str
    level: Level
    what: str
    remedy: str = ""
    seconds: float | None = None


def verdict(findings: Iterable[Finding]) -> Verdict:
    """The worst of them; what was skipped is no fault of its own."""
    levels = {finding.level for finding in findings}
    return "fault" if "fault" in levels else "warning" if "warning" in levels else "fine"
