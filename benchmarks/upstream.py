"""Lingmas that misbehave: this checkout's simulator as a program, each instance with knobs of its own.

So a gateway of another checkout, whose own simulator may not know these knobs, meets the same Lingmas. Must not know
what is done to them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.processes import ROOT

PROGRAM = """#!/bin/sh
case "$*" in
*-2\\ --socketPort*) LINGMA_SIMULATOR={second} ;;
*) LINGMA_SIMULATOR={first} ;;
esac
export LINGMA_SIMULATOR
PYTHONPATH={root} exec {python} -m lingma_trio.simulator "$@"
"""
"""The second instance's work directory ends in `-2`."""


def simulators(directory: Path, first: str, second: str = "") -> Mapping[str, str]:
    """The settings of a gateway that runs the simulator with these knobs, `name=value,name=value`, in `directory`.

    With `second`, which are another one's, there are two.
    """
    program = directory / "Lingma"
    program.write_text(PROGRAM.format(first=first, second=second, root=ROOT, python=sys.executable))
    program.chmod(0o755)
    return {
        "LINGMA_UPSTREAM": "lingma",
        "LINGMA_BIN": str(program),
        "LINGMA_BOOTSTRAP_ALWAYS": "false",
        "LINGMA_WORK_DIR": str(directory / "lingma-simulator-of-its-own"),
        "LINGMA_SOCKET_PORT": "0",
        "AUTO_LOGIN_ENABLED": "false",
        "LINGMA_INSTANCE_COUNT": "2" if second else "1",
    }
