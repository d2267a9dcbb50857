"""`lingma-trio bundle`: takes the login of an instance out of its work directory, or puts one in.

Parses, delegates and prints. A bundle is as good as a password, so none is printed where somebody may look on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lingma_trio.commands.starting import fail, settings_or_exit
from lingma_trio.config import Settings
from lingma_trio.fleet import lock_holder, real_fleet
from lingma_trio.lingma.bundle import BundleFault, as_text
from lingma_trio.lingma.login_files import export, read_bundle, restore
from lingma_trio.private_files import write_private

instance_option = click.option(
    "--instance", default="0", show_default=True, help="Its name in /readyz, or its place among the accounts from 0 on."
)


@click.group()
def bundle() -> None:
    """Carry Lingma's login to another machine. A bundle is as good as the account's password."""


@bundle.command("export")
@instance_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, readable for this user alone; without it the bundle goes to standard output.",
)
def export_bundle(instance: str, output: Path | None) -> None:
    """Write the login of an instance as one line of base64, for LINGMA_SESSION_BUNDLE or a file of it.

    A running gateway need not be stopped for it. Exit status: 0, 1 when there is no login, 2 for faulty settings.
    """
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


@bundle.command("import")
@instance_option
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
def import_bundle(file: Path, instance: str) -> None:
    """Give an instance the login of a bundle, FILE or - for standard input. The gateway must not be running.

    A login that is there already stays. Exit status: 0, 1 when the login was not restored, 2 for faulty settings.
    """
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
    fleet = real_fleet(settings)
    chosen = [options for place, options in enumerate(fleet) if wanted in {options.name, str(place)}]
    if not chosen:
        fail(f"there is no instance {wanted}; there are {', '.join(options.name for options in fleet)}")
    return chosen[0].work_dir
