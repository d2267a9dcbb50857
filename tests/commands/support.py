"""Runs the command line as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.end_to_end.gateway import environment

PATIENCE = 60.0
"""Seconds after which a command on a busy machine has failed."""


def run(directory: Path, *arguments: str, typed: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `lingma-trio` in `directory` with these settings and none of this machine's; `typed` is its input."""
    return subprocess.run(
        [sys.executable, "-m", "lingma_trio.cli", *arguments],
        cwd=directory,
        env=environment(directory, settings),
        input=typed,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
