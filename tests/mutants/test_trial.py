"""Trials: what tests notice is told from what they do not, whatever a change does to them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.mutants.judge import ALIVE, NOTICED, UNREACHED, put, written
from tests.mutants.trial import HERE, NotJudged, copied, drawn, panel, tried

MODULE = """
import os
TABLE = {5: 4, 7: 7}
def at_most(number):
    if number > 4:
        return TABLE[number]
    return number
def loops(count):
    while count:
        count -= 1
    return 0
def ends(well):
    if not well:
        os.kill(-1, 9)
    return 0
def cell():
    kept = []
    def add():
        kept.append(1)
        return 0
    return add()
def never():
    return 0
"""
TESTS = """
from thing.worth import at_most, cell, ends, loops
def test_worth():
    assert at_most(5) == 4
    assert at_most(3) == 3
    assert loops(2) == 0
    assert ends(True) == 0
    assert cell() == 0
def test_fails_by_itself():
    assert at_most(1) == 2
"""
PROGRAM = """
import subprocess, sys
def test_program():
    asked = "import thing.worth; sys.exit(thing.worth.at_most(5))"
    assert subprocess.run([sys.executable, "-c", "import sys; " + asked]).returncode == 4
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of one module and the tests beside it, as git has it."""
    for name, text in {"thing/worth.py": MODULE, "tests/test_worth.py": TESTS, "pyproject.toml": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def children(process: int) -> list[int]:
    """What a process has started and not waited for yet."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()]
    return []


def test_a_module_is_judged_by_its_mirror_or_by_its_folder(tree: Path) -> None:
    """Where no file of tests mirrors a module, those of the nearest folder do it."""
    assert panel(tree, "thing/worth.py") == ("tests/test_worth.py",)
    assert panel(tree, "a/other.py") == ("tests/test_worth.py",)
    assert panel(tree, "a/deep/other.py") == ("tests/test_worth.py",)


def test_a_sample_is_drawn_by_its_seed(tree: Path) -> None:
    """The same seed draws the same changes, another one others."""
    some, total = drawn(tree, ["thing/worth.py"], 5, 1)
    assert len(some) == 5 < total
    assert drawn(tree, ["thing/worth.py"], 5, 1) == (some, total)
    assert drawn(tree, ["thing/worth.py"], 5, 2) != (some, total)
    assert len(drawn(tree, ["thing/worth.py"], None, 1)[0]) == len(drawn(tree, ["thing/worth.py"], 999, 1)[0]) == total


def test_a_changed_module_is_never_taken_for_the_compiled_one(tree: Path) -> None:
    """Its file is of another second, and afterwards of the one it was of, also where the judge was ended."""
    path = tree / "thing/worth.py"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    change = drawn(tree, ["thing/worth.py"], None, 1)[0][0].change
    with written(path, change):
        assert path.read_bytes() == change.of(before[0])
        assert path.stat().st_mtime_ns // 10**9 != before[1] // 10**9
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.write_text("", encoding="utf-8")
    put(path, *before)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.slow
def test_tests_notice_what_they_hold_and_nothing_else(tree: Path) -> None:
    """A change of a value, an endless loop and the judge's own end are noticed; what no test asks for is not."""
    cases, _ = drawn(tree, ["thing/worth.py"], None, 1)
    with copied(tree) as copy:
        verdicts = tried(copy, panel(tree, "thing/worth.py"), cases, grace=2.0)
        assert (copy / "thing/worth.py").read_text(encoding="utf-8") == MODULE
    assert not copy.exists()
    assert (tree / "thing/worth.py").read_text(encoding="utf-8") == MODULE
    lines = MODULE.split("\n")
    found = [
        (lines[case.change.first - 1].strip(), case.change.new, verdict)
        for case, verdict in zip(cases, verdicts, strict=True)
        if verdict != NOTICED
    ]
    assert found == [
        ("TABLE = {5: 4, 7: 7}", "8", ALIVE),
        ("TABLE = {5: 4, 7: 7}", "8", ALIVE),
        ("if number > 4:", ">=", ALIVE),
        ("while count:", "(not (count))", ALIVE),
        ("count -= 1", "2", ALIVE),
        ("os.kill(-1, 9)", "pass", UNREACHED),
        ("os.kill(-1, 9)", "2", UNREACHED),
        ("os.kill(-1, 9)", "10", UNREACHED),
        ("kept.append(1)", "pass", ALIVE),
        ("kept.append(1)", "2", ALIVE),
        ("return 0", "1", UNREACHED),
        ("return 0", "None", UNREACHED),
    ]


def test_what_no_test_is_left_to_judge_is_not_noticed(tree: Path) -> None:
    """Where every test fails by itself, none has noticed a change for which the module is imported anew."""
    only = TESTS[: TESTS.index("def ")] + TESTS[TESTS.index("def test_fails_by_itself") :]
    (tree / "tests/test_worth.py").write_text(only, encoding="utf-8")
    cases = [case for case in drawn(tree, ["thing/worth.py"], None, 1)[0] if not case.change.function]
    with copied(tree) as copy:
        assert tried(copy, panel(tree, "thing/worth.py"), cases) == [UNREACHED] * 4


@pytest.mark.slow
def test_module_that_tests_start_as_a_program_is_judged(tree: Path) -> None:
    """By all of them, as none says which of its lines it ran."""
    (tree / "tests/test_worth.py").write_text(PROGRAM, encoding="utf-8")
    cases = [case for case in drawn(tree, ["thing/worth.py"], None, 1)[0] if case.change.what == "negated"]
    with copied(tree) as copy:
        assert tried(copy, panel(tree, "thing/worth.py"), cases[:2]) == [NOTICED, ALIVE]


def test_tests_that_cannot_be_read_judge_nothing(tree: Path) -> None:
    """A file of tests that ends before any of them ran is an error and no notice taken."""
    (tree / "tests/test_worth.py").write_text("import nothing_of_this_name", encoding="utf-8")
    cases, _ = drawn(tree, ["thing/worth.py"], 1, 1)
    with copied(tree) as copy, pytest.raises(NotJudged, match=r"pytest tests/test_worth\.py"):
        tried(copy, panel(tree, "thing/worth.py"), cases)


def test_a_run_that_is_ended_leaves_nothing(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither its judge nor the copy of the tree outlives it."""
    script = tree / "scripts" / "mutants.py"
    script.parent.mkdir()
    script.write_bytes((HERE / "scripts" / "mutants.py").read_bytes())
    room = tmp_path_factory.mktemp("room")
    program = subprocess.Popen(
        [sys.executable, script, "--sample", "1", "thing/worth.py"],
        env={**os.environ, "PYTHONPATH": str(HERE), "TMPDIR": str(room)},
    )
    with program:
        # What git is asked for starts nothing itself; a judge that has begun to starts what it judges by.
        while not (judges := [inner for each in children(program.pid) for inner in children(each) if children(inner)]):
            assert program.poll() is None
            time.sleep(0.01)
        program.terminate()
    assert program.returncode == 128 + SIGTERM
    assert not any(Path("/proc", str(each)).exists() for each in judges)
    assert not list(room.iterdir())
