"""Command line: that of the binary, in both option styles, with errors that help."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from pydantic_core import from_json

from lingma_trio.simulator.cli import main, simulate
from lingma_trio.simulator.files import WorkDirectory
from lingma_trio.simulator.knob import ENVIRONMENT, describe_knobs
from lingma_trio.simulator.knobs import Knobs

if TYPE_CHECKING:
    from pathlib import Path


def test_help_describes_every_knob() -> None:
    """Word for word, so that nothing else has to."""
    shown = " ".join(CliRunner().invoke(simulate, ["start", "--help"], terminal_width=300).output.split())
    for line in describe_knobs(Knobs).splitlines():
        assert " ".join(line.split()) in shown


@pytest.mark.parametrize("arguments", [["--knob", "nonsense=1"], ["--knob", "gap=soon"]])
def test_a_wrong_knob_is_a_usage_error(tmp_path: Path, arguments: list[str]) -> None:
    """Exit code 2, and the word that was wrong."""
    outcome = CliRunner().invoke(simulate, ["start", "--workDir", str(tmp_path), *arguments])
    assert outcome.exit_code == 2
    assert arguments[-1] in outcome.output


def test_a_wrong_knob_in_the_environment_is_a_usage_error(tmp_path: Path) -> None:
    """A simulator that is launched as a binary has no other way to be told."""
    outcome = CliRunner(env={ENVIRONMENT: "nonsense=1"}).invoke(simulate, ["start", f"--workDir={tmp_path}"])
    assert outcome.exit_code == 2
    assert "nonsense=1" in outcome.output


def test_the_work_directory_has_to_be_named() -> None:
    """The binary's own default might hold somebody's login."""
    assert CliRunner().invoke(simulate, ["start"]).exit_code == 2


@pytest.mark.parametrize("style", [["--workDir={}"], ["--workDir", "{}"]])
def test_status_tells_of_the_login(tmp_path: Path, style: list[str]) -> None:
    """As JSON, in either option style."""
    arguments = ["status", "-o", "json", *(part.format(tmp_path) for part in style)]
    out = from_json(CliRunner().invoke(simulate, arguments).output)
    assert out == {"logged_in": False, "username": "", "user_type": "", "version": "2.5.20"}
    directory = WorkDirectory(tmp_path)
    directory.prepare()
    directory.keep_login()
    assert from_json(CliRunner().invoke(simulate, arguments).output)["logged_in"] is True


def test_main_ends_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    """With the exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "2.5.20\n"


def test_it_runs_as_a_module() -> None:
    """The way a gateway can launch it."""
    outcome = subprocess.run(
        [sys.executable, "-m", "lingma_trio.simulator", "version"], capture_output=True, check=True
    )
    assert outcome.stdout == b"2.5.20\n"
