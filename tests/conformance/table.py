"""The tables of clients in docs/clients.md and of agents in docs/acp.md: which version was run, when, how it ended.

    python -m tests.conformance.table DIRECTORY DATE PART ...    writes it after a run of these parts
    python -m tests.conformance.table                            says whether they have each in its locked version

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

from tests.conformance.roster import AGENTS, CLIENTS, Client

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).parents[2] / "docs"
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"


@dataclass(frozen=True, slots=True)
class Table:
    """One page's table in one language: whose rows, the columns' heads, and each verdict."""

    page: Path
    name: str
    clients: tuple[Client, ...]
    heads: tuple[str, ...]
    verdicts: Mapping[str, str]
    chinese: bool = False

    @property
    def place(self) -> re.Pattern[str]:
        """Where its page has it: between two marks."""
        begin, end = f"<!-- {self.name}: scripts/conformance --write -->\n", f"<!-- end of {self.name} -->\n"
        return re.compile(rf"(?<={re.escape(begin)}).*?(?={re.escape(end)})", flags=re.DOTALL)


def tables(page: str, name: str, clients: tuple[Client, ...], heads: tuple[str, str]) -> tuple[Table, Table]:
    """The table of a page in English and in Chinese; `heads` are those of the first column."""
    return (
        Table(
            DOCS / page,
            name,
            clients,
            (heads[0], "version", "what was run", "result", "date"),
            {PASSED: PASSED, FAILED: FAILED, NOT_RUN: NOT_RUN},
        ),
        Table(
            DOCS / "zh" / page,
            name,
            clients,
            (heads[1], "版本", "运行内容", "结果", "日期"),
            {PASSED: "通过", FAILED: "未通过", NOT_RUN: "未运行"},
            chinese=True,
        ),
    )


TABLES = (
    tables("clients.md", "clients", CLIENTS, ("client", "客户端")),
    tables("acp.md", "agents", AGENTS, ("agent", "智能体")),
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


def read(table: Table, text: str) -> dict[str, Row]:
    """The rows of a table in its English page, whose text this is."""
    found = table.place.search(text)
    lines = found[0].splitlines()[2:] if found else []
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {name: Row(version, result, date) for name, version, _, result, date in cells}


def kept(rows: Mapping[str, Row], client: Client) -> Row:
    """A client's row where it was not run this time; another version than that of the row was never run."""
    row = rows.get(client.name)
    return row if row and row.version == client.version else Row(client.version, NOT_RUN, "")


def written(table: Table, rows: Mapping[str, Row]) -> str:
    """The table's page with the table made anew."""
    lines = [table.heads, ("---",) * len(table.heads)]
    for client in table.clients:
        row = rows[client.name]
        ran = client.ran_in_chinese if table.chinese else client.ran
        lines.append((client.name, row.version, ran, table.verdicts[row.result], row.date))
    text = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return table.place.sub(lambda _: text, table.page.read_text(encoding="utf-8"))


def main(words: list[str]) -> None:
    """Write the pages after a run, or check them where there are no words."""
    directory, date, *parts = words or ("", "")
    for pages in TABLES:
        english = pages[0]
        rows = read(english, english.page.read_text(encoding="utf-8"))
        for client in english.clients:
            if client.part in parts:
                result = outcome(Path(directory) / f"{client.part}.xml", client)
                rows[client.name] = Row(client.version, result, "" if result == NOT_RUN else date)
            else:
                rows[client.name] = kept(rows, client)
        for table in pages:
            text = written(table, rows)
            if words:
                table.page.write_text(text, encoding="utf-8")
            elif table.page.read_text(encoding="utf-8") != text:
                sys.exit(f"the table of {table.name} in {table.page} is not current: run scripts/conformance --write")


if __name__ == "__main__":
    main(sys.argv[1:])
