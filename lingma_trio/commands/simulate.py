"""`lingma-trio simulate`: the bundled simulator with the command line of Lingma's binary. Passes everything on."""

from __future__ import annotations

from lingma_trio.simulator.cli import main as simulator


def simulate(arguments: tuple[str, ...]) -> None:
    """Do what `lingma-trio simulate` is for, and end the process with the status that its help names."""
    simulator(list(arguments))
