"""Releases: the changelog's pieces, the workflows, and what the package says of itself."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import lingma_trio

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FRAGMENTS = sorted(path for path in (ROOT / "changes").iterdir() if path.name != "README.md")
LONGEST_FRAGMENT = 600  # three sentences

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return jobs


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_fragment_is_one_that_a_release_takes(path: Path) -> None:
    """A file of `changes/` has a kind that the changelog has a heading for, and a few sentences."""
    kinds = "|".join(kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"])
    assert re.fullmatch(rf"(\d+|\+[a-z-]+)\.({kinds})(\.\d+)?\.md", path.name)
    text = path.read_text(encoding="utf-8").strip()
    assert text.endswith(".")
    assert len(text) < LONGEST_FRAGMENT


def test_kinds_are_those_that_contributors_are_told() -> None:
    """The table in `changes/` has the kinds that a release knows, in its order."""
    told = re.findall(r"^\| `(\w+)` \|", (ROOT / "changes" / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert told == [kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"]]


def test_a_release_can_be_drafted(tmp_path: Path) -> None:
    """What a release would write has each file of `changes/`, below the heading that the release workflow looks for."""
    program = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^## 9\.9\.9 ", done.stdout, re.MULTILINE)
    drafted = " ".join(done.stdout.split())
    for path in FRAGMENTS:
        assert " ".join(path.read_text(encoding="utf-8").split()) in drafted


def test_changelog_has_a_place_for_the_next_release() -> None:
    """The line that a release is written below is there, once."""
    assert (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").count("<!-- towncrier release notes start -->\n") == 1


def test_version_is_of_the_form_that_is_promised() -> None:
    """Three numbers, so that the tag of the release workflow can name it."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", lingma_trio.__version__)


def test_addresses_are_those_of_one_home() -> None:
    """Every address of the project's own repository is below its home page."""
    home = PROJECT["project"]["urls"]["Homepage"]
    assert all(address.startswith(home) for address in PROJECT["project"]["urls"].values())
    pages = [*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.yml"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for address in re.findall(r"https://github\.com/[\w.-]*lingma-trio[\w./-]*", page.read_text(encoding="utf-8")):
            assert address.startswith(home), page.name


@each_workflow
def test_actions_are_pinned(path: Path) -> None:
    """Each action is the commit that somebody looked at, with the version it had in a comment."""
    used = re.findall(r"uses: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


@each_workflow
def test_jobs_are_bounded_and_have_no_more_rights_than_they_say(path: Path) -> None:
    """Nothing is allowed to a workflow as a whole, each job says what it needs, and ends by itself."""
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {}
    for name, job in jobs(path).items():
        assert job["permissions"], name
        assert job["timeout-minutes"] <= 60, name


def test_ci_runs_what_the_projects_own_run_does() -> None:
    """The workflow has a job for each command of `.ci/run`, which leaves nothing out."""
    own = re.findall(r"^\w+=\((.*)\)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    run = [
        step["run"]
        for job in jobs(ROOT / ".github" / "workflows" / "ci.yml").values()
        for step in job["steps"]
        if "run" in step
    ]
    commands = shlex.split(" ".join(own))
    assert [command for command in commands if command not in run] == []
    assert "scripts/test --all" in commands


MEETS = "touch {own}; for _ in {{1..200}}; do [[ -e {other} ]] && exit; sleep 0.05; done; exit 1"
STAND_INS = {
    "test": "echo 'NOT RUN  a thing: no means'; echo '3 passed'",
    "scale-test": "",
    "distribution": MEETS.format(own="computes", other="waits"),
    "conformance": MEETS.format(own="waits", other="computes"),
    "container-test": "seq 100; exit 1",
}


def test_own_run_has_what_waits_go_on_beside_what_computes(tmp_path: Path) -> None:
    """And says at its end how each went, why one failed, and how pytest closed."""
    run = own_run(tmp_path, STAND_INS)
    before, _, summary = run.stdout.partition("\n--- all of it\n")
    assert before.splitlines()[-100:] == [str(number) for number in range(1, 101)]
    assert re.sub(r", \d+ s$", "", summary, flags=re.MULTILINE).splitlines() == [
        "ok      scripts/conformance",
        "FAILED  scripts/container-test",
        *(f"        | {number}" for number in range(41, 101)),
        "ok      scripts/distribution",
        "ok      scripts/scale-test",
        "ok      scripts/test --all",
        "NOT RUN  a thing: no means",
        "3 passed",
    ]
    assert run.returncode == 1


def test_own_run_fails_with_what_goes_on_beside(tmp_path: Path) -> None:
    """Also where that cannot say how it went, since nobody is left to."""
    run = own_run(tmp_path, dict.fromkeys(STAND_INS, "") | {"conformance": "kill -9 $PPID; sleep 0.1"})
    assert "FAILED  what goes on beside did not come to its end" in run.stdout
    assert run.returncode == 1


def own_run(tree: Path, stand_ins: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What `.ci/run` says in a tree whose scripts do what is said here."""
    for name, body in stand_ins.items():
        script = tree / "scripts" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/usr/bin/env bash\n{body}\n", encoding="utf-8")
        script.chmod(0o755)
    (tree / ".ci").mkdir()
    own = Path(shutil.copy(ROOT / ".ci" / "run", tree / ".ci"))
    return subprocess.run([own], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


FAILS = """
fails() { seq 100; echo "why it failed" >&2; return 1; }
"""


@pytest.mark.parametrize(
    ("script", "begin", "end"),
    [
        ("test", "notes=$(mktemp -d)", 'cat "$notes/results"'),
        ("container-test", "said=$(mktemp) results=() status=0", "printf '%s\\n' \"${results[@]}\""),
    ],
    ids=["test", "container-test"],
)
def test_failed_check_says_why_in_the_summary(script: str, begin: str, end: str) -> None:
    """Its last lines stand under its name there: what CI shows of a long log is the end."""
    check = re.search(r"^check\(\) \{\n.*?^\}$", (ROOT / "scripts" / script).read_text(), re.MULTILINE | re.DOTALL)
    assert check
    run = f"set -uo pipefail\n{begin}\n{check[0]}\n{FAILS}\ncheck one fails\ncheck two echo fine\necho SUMMARY\n{end}\n"
    said = subprocess.check_output(["bash", "-c", run], text=True, stderr=subprocess.DEVNULL)
    before, _, summary = said.partition("SUMMARY\n")
    failed, *lines, fine = summary.splitlines()
    assert failed.startswith("FAILED")
    assert [line.split("| ")[1] for line in lines] == [*map(str, range(87, 101)), "why it failed"]
    assert fine.startswith("ok")
    assert "why it failed" in before
    assert "fine\n" in before


def test_what_may_publish_runs_nothing_of_the_project() -> None:
    """The job that publishes to the index has what another built, holds no secret, and runs no command."""
    release = ROOT / ".github" / "workflows" / "release.yml"
    index = jobs(release)["index"]
    assert "secrets." not in release.read_text(encoding="utf-8")
    assert index["permissions"] == {"id-token": "write"}
    assert [step for step in index["steps"] if "run" in step] == []
    assert jobs(release)["build"]["permissions"] == {"contents": "read"}
