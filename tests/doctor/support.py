"""Installations to examine: a site, and the simulator in the place of Lingma's binary."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lingma_trio.config import Settings
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.running import InstanceReport, Readiness
from lingma_trio.doctor.site import Site
from lingma_trio.fleet import is_simulated, real_fleet

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds after which a test that starts a simulator on a busy machine has failed."""

FAST = "first=0.01,gap=0,deltas=3"


def script(path: Path, *lines: str) -> Path:
    """An executable shell script."""
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def lingma(directory: Path, knobs: str = FAST) -> Path:
    """A binary that is the simulator with `knobs`, with its helper beside it, as a package has them."""
    script(directory / "LingmaLocal", "exit 0")
    simulator = [sys.executable, "-m", "lingma_trio.simulator"]
    return script(
        directory / "Lingma",
        f"export PYTHONPATH={shlex.quote(str(ROOT))} LINGMA_SIMULATOR={shlex.quote(knobs)}",
        f'exec {shlex.join(simulator)} "$@"',
    )


def sign_in(work_dir: Path) -> None:
    """Put a login into the directory, as the simulator accepts it."""
    (work_dir / "cache").mkdir(mode=0o700, parents=True)
    work_dir.chmod(0o700)
    (work_dir / "cache/user").write_bytes(b"a login")
    (work_dir / "cache/id").write_text("a machine")


def settings_of(directory: Path, **values: object) -> Settings:
    """The settings of an installation in `directory` that collides with nothing on this machine."""
    return Settings.model_validate(
        {
            "host": "127.0.0.1",
            "port": 0,
            "lingma_bin": directory / "Lingma",
            "lingma_work_dir": directory / "work",
            "lingma_socket_port": 0,
            **values,
        }
    )


def site_of(
    settings: Settings,
    *,
    environment: Mapping[str, str] | None = None,
    holders: Mapping[str, str] | None = None,
    readiness: Readiness | None = None,
) -> Site:
    """The site of these settings, without a look at what runs on this machine."""
    simulated = is_simulated(settings)
    fleet = () if simulated else tuple(real_fleet(settings))
    return Site(settings, environment or {}, simulated, fleet, holders or {}, readiness)


def readiness_of(**states: str) -> Readiness:
    """The report of a gateway with one instance for each of `states`; underlines in a name stand for hyphens."""
    instances = tuple(
        InstanceReport(name=name.replace("_", "-"), state=state, reason="" if state == "ready" else f"it is {state}")
        for name, state in states.items()
    )
    ready = "ready" in states.values()
    return Readiness(status="ready" if ready else "not_ready", upstream="lingma", instances=instances)


def contents(directory: Path) -> list[str]:
    """The names of what lies in the directory."""
    return sorted(path.name for path in directory.iterdir())


def levels(findings: list[Finding]) -> list[str]:
    """The level of each finding."""
    return [finding.level for finding in findings]


def only(findings: list[Finding], level: str) -> Finding:
    """The one finding of that level."""
    (found,) = (finding for finding in findings if finding.level == level)
    return found


@contextmanager
def taken_port() -> Iterator[int]:
    """A port of the loopback address on which another program listens for the length of the block."""
    with listener() as server:
        yield server.getsockname()[1]


@contextmanager
def listener() -> Iterator[socket.socket]:
    """A socket of the loopback address that somebody may connect to, and that nobody answers at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


AS_ROOT = os.geteuid() == 0
"""Root may read, write and run what it likes, so that some faults cannot be staged."""
