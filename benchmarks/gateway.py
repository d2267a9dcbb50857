"""Measures the gateway against its targets and against two floors; run as `python -m benchmarks.gateway [--quick]`.

Prints one table, also where a part of it could not be measured. What it means is in the README beside this file.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks import beside
from benchmarks.figures import BUSY, Row, table
from benchmarks.processes import CLIENT_CPU, LAUNCHES, SERVER_CPU, Launch, bare_server, gateway
from benchmarks.scenarios import SCENARIOS, Stand

ALL = {
    **SCENARIOS,
    "start": beside.start,
    "log": beside.log,
    "launches": beside.launches,
    "peer": beside.beside_peer,
}


def describe_machine(log_level: str) -> str:
    """The conditions under which the figures were made."""
    cpus = f"servers on CPU {min(SERVER_CPU)}, clients and simulator on CPU {min(CLIENT_CPU)}"
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    return f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {cpus}; log level {log_level}; load {load}"


@click.command()
@click.option("--quick", is_flag=True, help="Fewer answers and one round: under two minutes, and coarse.")
@click.option("--rounds", default=3, show_default=True, help="How often the three take turns.")
@click.option("--log-level", default="INFO", show_default=True, help="The gateway's; INFO is a line for each request.")
@click.option("--launch", default="edge", show_default=True, type=click.Choice(list(LAUNCHES)), help="Of the gateway.")
@click.option("--peer", default="", help="Command of another gateway to compare with; {ws}, {port}, {directory} in it.")
@click.option("--only", multiple=True, type=click.Choice(list(ALL)), help="May be repeated.")
def main(*, quick: bool, rounds: int, log_level: str, launch: Launch, peer: str, only: tuple[str, ...]) -> None:
    """Measure, and print the table; the exit status is 1 where a target is missed, or a part cannot be measured."""
    rows: list[Row] = []
    before = describe_machine(log_level)
    try:
        with (
            TemporaryDirectory(prefix="lingma-benchmark-") as directory,
            gateway(Path(directory), log_level=log_level, launch=launch) as measured,
            bare_server(Path(directory)) as bare,
        ):
            stand = Stand(measured, bare, rounds=1 if quick else rounds, quick=quick, peer=peer)
            for name in only or ALL:
                click.echo(f"{name} ...", err=True)
                rows.extend(ALL[name](stand))  # row by row: those before a failure are there
    finally:
        if rows:
            tell(rows, f"{before}; launch {launch}; load at the end {os.getloadavg()[0]:.1f}")
    sys.exit(any(row.target is not None and not row.target.is_met(row.figure) for row in rows))


def tell(rows: Sequence[Row], conditions: str) -> None:
    """Print the table below the conditions under which it was made."""
    click.echo(f"{conditions}\n")
    click.echo(table(rows))
    if any(row.others is not None and row.others > BUSY for row in rows):
        click.echo(f"\nOther processes took more than {BUSY:.0%} of a core: trust the ratios and the CPU columns.")


if __name__ == "__main__":
    main()
