"""Every command that needs settings refuses faulty ones alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.support import PATIENCE, run
from tests.end_to_end.gateway import environment


@pytest.mark.parametrize("command", [["bundle", "export"], ["bundle", "import", "x"], ["bootstrap"]])
def test_faulty_settings_are_told(tmp_path: Path, command: list[str]) -> None:
    """A faulty setting is printed by its name and ends the command with 2."""
    ran = run(tmp_path, *command, PORT="x")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "PORT: " in ran.stderr


SETTLED = """
import gc
import trio
from lingma_trio.cli import cli

trio.run = lambda *_: print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 2000, gc.get_threshold() < (2000,))
cli(["serve"])
"""


def test_what_stays_is_not_looked_through_again_and_again(tmp_path: Path) -> None:
    """By the time that a gateway serves, a full collection has next to nothing to look at: it holds the loop."""
    settings = environment(tmp_path, {"API_KEYS": "sk-of-the-collected"})
    told = subprocess.check_output([sys.executable, "-c", SETTLED], cwd=tmp_path, env=settings, timeout=PATIENCE)
    assert told == b"True True True\n"
