"""The simulator's command line: that of Lingma's binary, one option more for the knobs, and one command for ACP.

Parses and delegates.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import trio
from pydantic_core import to_json

from lingma_trio.simulator.account import NAME
from lingma_trio.simulator.acp.knobs import AcpKnobs
from lingma_trio.simulator.acp.process import run as run_agent
from lingma_trio.simulator.files import WorkDirectory
from lingma_trio.simulator.knob import ENVIRONMENT, KnobFault, describe_knobs, environment_words
from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.mischief import crash_process
from lingma_trio.simulator.process import Launch, run
from lingma_trio.simulator.scenes import load_scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lingma_trio.simulator.common_knobs import CommonKnobs

    _Command = TypeVar("_Command", bound=Callable[..., object])

VERSION = "2.5.20"
"""The version that `version` and `status` print: that of the binary whose command line this is."""

_WORK_DIR = click.option(
    "--workDir",
    "work_dir",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Private directory. Without a default on purpose: Lingma's own default may hold somebody's login.",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with its exit code, 2 for a mistake in the arguments."""
    simulate(args=arguments, prog_name="simulate")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def simulate() -> None:
    """A Lingma that answers without an account."""


def _knob_option(unturned: CommonKnobs) -> Callable[[_Command], _Command]:
    """The option that turns knobs of this set, and lets them win over those of the environment."""

    def read_knobs(_context: click.Context, _parameter: click.Parameter, words: Sequence[str]) -> CommonKnobs:
        try:
            knobs = unturned.turned([*environment_words(os.environ.get(ENVIRONMENT, "")), *words])
            load_scenes(knobs)
        except KnobFault as fault:
            raise click.BadParameter(str(fault)) from fault
        return knobs

    return click.option(
        "--knob", "knobs", multiple=True, callback=read_knobs, help=f"name=value; wins over ${ENVIRONMENT}."
    )


@simulate.command(epilog="\b\nKnobs:\n" + describe_knobs(Knobs))
@_WORK_DIR
@click.option("--socketPort", "socket_port", default=36510, type=click.IntRange(0, 65535), help="0 chooses a free one.")
@click.option("--httpPort", "http_port", default=0, type=click.IntRange(0, 65535), help="Of the sign-in site.")
@click.option("--transportType", "transport", default="websocket", type=click.Choice(["websocket"]))
@click.option("--endpoint", default="", help="Enterprise endpoint, as config/getEndpoint returns it.")
@click.option("--copyDataDir", "seed", type=click.Path(path_type=Path), help="Accepted; carries no login over.")
@_knob_option(Knobs())
def start(work_dir: Path, socket_port: int, http_port: int, endpoint: str, knobs: Knobs, **_ignored: object) -> None:
    """Run the server in the foreground until SIGTERM."""
    launch = Launch(work_dir, socket_port, http_port, endpoint)
    try:
        trio.run(partial(run, launch, knobs, crash=partial(crash_process, knobs.exit_code)))
    except OSError as fault:
        click.echo(f"cannot listen on port {socket_port} or {http_port}: {fault}", err=True)
        raise SystemExit(1) from fault


@simulate.command(epilog="\b\nKnobs:\n" + describe_knobs(AcpKnobs))
@_knob_option(AcpKnobs())
def acp(knobs: AcpKnobs) -> None:
    """Be an agent of the Agent Client Protocol on stdin and stdout, until the end of stdin or SIGTERM."""
    trio.run(partial(run_agent, knobs, crash=partial(crash_process, knobs.exit_code)))


@simulate.command()
def version() -> None:
    """Print the version."""
    click.echo(VERSION)


@simulate.command()
@_WORK_DIR
@click.option("-o", "_form", default="json", type=click.Choice(["json"]), help="Output format.")
def status(work_dir: Path, **_ignored: object) -> None:
    """Print whether the work directory holds a login."""
    there = WorkDirectory(work_dir).holds_login
    account = {"logged_in": there, "username": NAME if there else "", "user_type": "personal_standard" if there else ""}
    click.echo(to_json({**account, "version": VERSION}))
