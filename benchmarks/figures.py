"""What a benchmark found: percentiles, rows that know their target, and the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

BUSY = 0.1
"""Cores that other processes may take before a row's wall-clock figures are in doubt."""

HEADS = (
    "what",
    "gateway",
    "simulator alone",
    "bare Hypercorn",
    "/ simulator",
    "/ bare",
    "figure",
    "target",
    "verdict",
    "CPU: gateway",
    "CPU: bare",
    "others",
)


@dataclass(frozen=True, slots=True)
class Target:
    """What the figure has to be: at most, or at least, `limit`."""

    limit: float
    sense: Literal["<=", ">="] = "<="

    def is_met(self, figure: float) -> bool:
        """Whether `figure` will do."""
        return figure <= self.limit if self.sense == "<=" else figure >= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `figure` is what the target is about; None stands for what was not measured.

    `cpu` and `bare_cpu` are what the gateway and the bare server used for the unit of work that `cpu_unit` names, in
    microseconds. `others` is how many cores other processes used meanwhile, where that was measured.
    """

    what: str
    gateway: float
    figure: float
    simulator: float | None = None
    bare: float | None = None
    target: Target | None = None
    cpu: float | None = None
    bare_cpu: float | None = None
    cpu_unit: str = ""
    others: float | None = None

    @property
    def verdict(self) -> str:
        """Met or missed, and whether the machine was too busy to tell."""
        if self.target is None:
            return ""
        verdict = "met" if self.target.is_met(self.figure) else "MISSED"
        return f"{verdict}, machine busy" if self.others is not None and self.others > BUSY else verdict

    def cells(self) -> list[str]:
        """The line's cells, in the order of `HEADS`."""
        return [
            self.what,
            number(self.gateway),
            number(self.simulator),
            number(self.bare),
            ratio(self.gateway, self.simulator),
            ratio(self.gateway, self.bare),
            number(self.figure),
            f"{self.target.sense} {number(self.target.limit)}" if self.target else "",
            self.verdict,
            f"{number(self.cpu)} us/{self.cpu_unit}" if self.cpu is not None else "",
            f"{number(self.bare_cpu)} us/{self.cpu_unit}" if self.bare_cpu is not None else "",
            f"{self.others:.0%}" if self.others is not None else "",
        ]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of them do not exceed."""
    ranked = sorted(values)
    return ranked[max(math.ceil(len(ranked) * percent / 100) - 1, 0)]


def number(value: float | None) -> str:
    """A number with three digits that count, or nothing."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004


def ratio(value: float, floor: float | None) -> str:
    """How many times the floor a value is."""
    return "" if not floor else f"{value / floor:.2f}"


def table(rows: Sequence[Row], floor: str = "simulator") -> str:
    """The rows as a table that reads well as it is and as Markdown, without columns that none of them fills.

    `floor` is what was measured alone.
    """
    heads = [head.replace("simulator", floor) for head in HEADS]
    columns = [column for column in zip(heads, *(row.cells() for row in rows), strict=True) if any(column[1:])]
    padded = [[cell.ljust(max(map(len, column))) for cell in column] for column in columns]
    lines = [f"| {' | '.join(cells)} |" for cells in zip(*padded, strict=True)]
    lines.insert(1, "|" + "|".join("-" * (len(column[0]) + 2) for column in padded) + "|")
    return "\n".join(lines)
