"""The table of clients in docs/clients.md and docs/zh/clients.md: which version was run, on what, when, how it ended.

    python -m tests.conformance.table DIRECTORY DATE PART ...    writes it after a run of these parts
    python -m tests.conformance.table                            says whether it has every client in its locked version

A row comes from what pytest wrote of its part, `DIRECTORY/PART.xml`. A client whose part was not run keeps its row as
long as its version is the same. Where the part left nothing, and where no test of the client's came to a verdict, the
client was not run; nothing else becomes "passed" than tests that passed.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tests.conformance.roster import CLIENTS, Client

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- clients: scripts/conformance --write -->\n", "<!-- end of clients -->\n"
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
_TABLE = re.compile(rf"(?<={re.escape(BEGIN)}).*?(?={re.escape(END)})", flags=re.DOTALL)


@dataclass(frozen=True, slots=True)
class Language:
    """How one page says it: the columns' heads, and each verdict."""

    page: Path
    heads: tuple[str, ...]
    verdicts: Mapping[str, str]
    chinese: bool = False


ENGLISH = Language(
    DOCS / "clients.md",
    ("client", "version", "what was run", "result", "date"),
    {PASSED: PASSED, FAILED: FAILED, NOT_RUN: NOT_RUN},
)
IN_CHINESE = Language(
    DOCS / "zh" / "clients.md",
    ("客户端", "版本", "运行内容", "结果", "日期"),
    {PASSED: "通过", FAILED: "未通过", NOT_RUN: "未运行"},
    chinese=True,
)


@dataclass(frozen=True, slots=True)
class Row:
    """How a client's run ended; `date` is empty where there was none."""

    version: str
    result: str
    date: str


def outcome(report: Path, client: Client) -> str:
    """How a client's tests ended, by the JUnit XML of its part; "not run" where there is none of either."""
    if not report.exists():
        return NOT_RUN
    tests = ET.parse(report).iter("testcase")
    cases = [test for test in tests if f"{test.get('classname')}.{test.get('name')}".startswith(client.tests)]
    if any(case.find("failure") is not None or case.find("error") is not None for case in cases):
        return FAILED
    return PASSED if any(case.find("skipped") is None for case in cases) else NOT_RUN


def read(text: str) -> dict[str, Row]:
    """The rows of the table in the English page."""
    found = _TABLE.search(text)
    lines = found[0].splitlines()[2:] if found else []
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {name: Row(version, result, date) for name, version, _, result, date in cells}


def kept(rows: Mapping[str, Row], client: Client) -> Row:
    """A client's row where it was not run this time; another version than that of the row was never run."""
    row = rows.get(client.name)
    return row if row and row.version == client.version else Row(client.version, NOT_RUN, "")


def written(language: Language, rows: Mapping[str, Row]) -> str:
    """The language's page with its table made anew."""
    lines = [language.heads, ("---",) * len(language.heads)]
    for client in CLIENTS:
        row = rows[client.name]
        ran = client.ran_in_chinese if language.chinese else client.ran
        lines.append((client.name, row.version, ran, language.verdicts[row.result], row.date))
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return _TABLE.sub(lambda _: table, language.page.read_text(encoding="utf-8"))


def main(words: list[str]) -> None:
    """Write the pages after a run, or check them where there are no words."""
    rows = read(ENGLISH.page.read_text(encoding="utf-8"))
    if not words:
        rows = {client.name: kept(rows, client) for client in CLIENTS}
        stale = [
            each.page for each in (ENGLISH, IN_CHINESE) if each.page.read_text(encoding="utf-8") != written(each, rows)
        ]
        if stale:
            sys.exit(f"the table of clients in {stale[0]} is not current: run scripts/conformance --write")
        return
    directory, date, *parts = words
    for client in CLIENTS:
        if client.part in parts:
            result = outcome(Path(directory) / f"{client.part}.xml", client)
            rows[client.name] = Row(client.version, result, "" if result == NOT_RUN else date)
        else:
            rows[client.name] = kept(rows, client)
    for language in (ENGLISH, IN_CHINESE):
        language.page.write_text(written(language, rows), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
