"""The command line: what it offers, and how it ends when it cannot begin."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lingma_trio import __version__
from lingma_trio.cli import cli
from lingma_trio.commands.starting import BAD_SETTINGS


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Runs commands in a directory without a `.env`."""
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def test_help_names_the_commands(runner: CliRunner) -> None:
    """Who asks for help learns of each command and what it is for."""
    result = runner.invoke(cli, ["--help"])
    assert result.exit_code == 0
    for command in ("serve", "simulate"):
        assert command in result.output


def test_version(runner: CliRunner) -> None:
    """The version is the package's."""
    assert runner.invoke(cli, ["--version"]).output == f"lingma-trio, version {__version__}\n"


def test_unknown_command(runner: CliRunner) -> None:
    """A command that there is not ends with status 2 and says so."""
    result = runner.invoke(cli, ["fly"])
    assert result.exit_code == 2
    assert "fly" in result.output


def test_faulty_settings_are_all_reported(runner: CliRunner) -> None:
    """Every fault of the settings is listed with an example, no value is shown, and the status is 2."""
    environment = {"PORT": "planted-port", "API_KEYS": "replace-with-a-long-random-key", "SSE_KEEPALIVE_SEC": "-1"}
    result = runner.invoke(cli, ["serve"], env=environment)
    assert result.exit_code == BAD_SETTINGS == 2
    for name in environment:
        assert f"{name}: " in result.stderr
        assert f"(example: {name}=" in result.stderr
    assert "planted" not in result.output


def test_simulator_has_the_command_line_of_the_binary(runner: CliRunner) -> None:
    """`simulate` passes everything on, also help and versions."""
    assert runner.invoke(cli, ["simulate", "version"]).output.strip()
    assert "--workDir" in runner.invoke(cli, ["simulate", "start", "--help"]).output
    assert runner.invoke(cli, ["simulate", "start"]).exit_code == 2
