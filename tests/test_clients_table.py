"""The table of clients says what a run showed, and nothing better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.roster import AGENTS, CLIENTS, PARTS
from tests.conformance.table import FAILED, NOT_RUN, PASSED, TABLES, Row, Table, kept, outcome, read, written

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = CLIENTS[0]
TEST = f'<testcase classname="{CLIENT.tests[0]}.rest" name="test_it">%s</testcase>'
ANOTHER = '<testcase classname="test_of_another" name="test_it"><failure/></testcase>'


@pytest.mark.parametrize(
    ("tests", "result"),
    [
        ([TEST % ""], PASSED),
        ([TEST % "", TEST % "<skipped/>", ANOTHER], PASSED),
        ([TEST % "", TEST % "<failure/>"], FAILED),
        ([TEST % "<error/>"], FAILED),
        ([TEST % "<skipped/>"], NOT_RUN),
        ([ANOTHER], NOT_RUN),
    ],
    ids=["passed", "some-skipped", "one-failed", "no-set-up", "all-skipped", "none"],
)
def test_client_passes_by_its_own_tests(tests: list[str], result: str, tmp_path: Path) -> None:
    """One that fails is a failure; where none came to a verdict the client was not run."""
    report = tmp_path / "part.xml"
    report.write_text(f"<testsuites><testsuite>{''.join(tests)}</testsuite></testsuites>", encoding="utf-8")
    assert outcome(report, CLIENT) == result


def test_client_without_a_report_was_not_run(tmp_path: Path) -> None:
    """A part that could not be installed leaves no report."""
    assert outcome(tmp_path / "part.xml", CLIENT) == NOT_RUN


def test_row_is_kept_for_its_version() -> None:
    """What another version did says nothing of the one that is locked now."""
    row = Row(CLIENT.version, PASSED, "2026-11-29")
    assert kept({CLIENT.name: row}, CLIENT) == row
    assert kept({CLIENT.name: Row("0.0.1", PASSED, "2026-11-29")}, CLIENT) == Row(CLIENT.version, NOT_RUN, "")


@pytest.mark.parametrize("tables", TABLES, ids=lambda tables: tables[0].name)
def test_table_is_read_as_it_is_written(tables: tuple[Table, Table]) -> None:
    """Everyone has a row in both languages, in the roster's order."""
    results = [(PASSED, "2026-11-29"), (FAILED, "2026-11-28"), (NOT_RUN, "")]
    english, chinese = tables
    rows = {client.name: Row(client.version, *results[place % 3]) for place, client in enumerate(english.clients)}
    assert read(english, written(english, rows)) == rows
    assert list(read(chinese, written(chinese, rows))) == list(rows)


def test_roster_is_whole() -> None:
    """Names are there once, clients belong to parts, and a lock has each one's version."""
    assert len({part.name for part in PARTS}) == len(PARTS)
    assert len({client.name for client in CLIENTS}) == len(CLIENTS)
    assert len({agent.name for agent in AGENTS}) == len(AGENTS)
    assert {client.part for client in (*CLIENTS, *AGENTS)} <= {part.name for part in PARTS}
    assert all(client.version for client in (*CLIENTS, *AGENTS))
