"""Every command that needs settings refuses faulty ones alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.support import run


@pytest.mark.parametrize("command", [["bundle", "export"], ["bundle", "import", "x"], ["bootstrap"]])
def test_faulty_settings_are_told(tmp_path: Path, command: list[str]) -> None:
    """A faulty setting is printed by its name and ends the command with 2."""
    ran = run(tmp_path, *command, PORT="x")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "PORT: " in ran.stderr
