"""The short form of `scripts/chaos`."""

from __future__ import annotations

import subprocess

import pytest

from tests.end_to_end.upstreams import ROOT

SEED = 12
PATIENCE = 240.0


@pytest.mark.slow
def test_nothing_that_must_not_be_comes_of_chaos() -> None:
    """Every answer is right or failed with one of the documented codes, and afterwards all is as it was."""
    command = ("scripts/chaos", "--seconds", "10", "--clients", "12", "--seed", str(SEED))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "went on in its session" in done.stdout
