"""`lingma-trio simulate`: the bundled simulator with the command line of Lingma's binary. Passes everything on."""

from __future__ import annotations

import click

from lingma_trio.simulator.cli import main as simulator


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate(arguments: tuple[str, ...]) -> None:
    """Run the bundled simulator with the real binary's command line."""
    simulator(list(arguments))
