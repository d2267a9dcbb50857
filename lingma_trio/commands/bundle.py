"""`lingma-trio bundle`: takes the login of an instance out of its work directory, or puts one in.

Parses, delegates and prints. A bundle is as good as a password, so none is printed where somebody may look on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lingma_trio.commands.starting import fail, settings_or_exit
from lingma_trio.config import Settings
from lingma_trio.fleet import lingma_fleet, lock_holder
from lingma_trio.lingma.bundle import BundleFault, as_text
from lingma_trio.lingma.login_files import export, read_bundle, restore
from lingma_trio.private_files import write_private


def export_bundle(instance: str, output: Path | None) -> None:
    """Do what `lingma-trio bundle export` is for, and end the process with the status that its help names."""
    settings = settings_or_exit()
    if output is None and sys.stdout.isatty():
        fail("a bundle is as good as a password and is not shown on a terminal; give --output FILE, or a pipe")
    try:
        text = as_text(export(_work_dir(settings, instance)))
        if output is None:
            click.echo(text)
        else:
            write_private(output, f"{text}\n".encode())
    except BundleFault as fault:
        fail(fault)
    except OSError as fault:
        fail(f"{output or 'standard output'} cannot be written ({fault.strerror})")


def import_bundle(file: Path, instance: str) -> None:
    """Do what `lingma-trio bundle import` is for, and end the process with the status that its help names."""
    settings = settings_or_exit()
    work_dir = _work_dir(settings, instance)
    holder = lock_holder(work_dir)
    if holder is not None:
        fail(f"{work_dir} is in use by a gateway (pid {holder}); stop it first")
    try:
        restore(work_dir, read_bundle(Path("/dev/stdin") if str(file) == "-" else file))
    except BundleFault as fault:
        fail(fault)
    click.echo(f"{work_dir} is logged in")


def _work_dir(settings: Settings, wanted: str) -> Path:
    """Where an instance keeps its login, by its name or its place."""
    if settings.lingma_upstream == "acp":
        fail("agents sign in with their tokens, from ACP_TOKENS; they have no login to be taken along")
    fleet = lingma_fleet(settings)
    chosen = [options for place, options in enumerate(fleet) if wanted in {options.name, str(place)}]
    if not chosen:
        fail(f"there is no instance {wanted}; there are {', '.join(options.name for options in fleet)}")
    return chosen[0].work_dir
