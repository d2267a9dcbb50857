"""The command line. Parses and delegates."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module

import click
import trio

from lingma_trio import __version__

NO_ADDRESS = 3


SUB_COMMANDS = {
    "bootstrap": "lingma_trio.commands.bootstrap",
    "bundle": "lingma_trio.commands.bundle",
    "doctor": "lingma_trio.commands.doctor",
    "keys": "lingma_trio.commands.keys",
    "login": "lingma_trio.commands.login",
    "status": "lingma_trio.commands.status",
    "tree": "lingma_trio.commands.tree",
}
"""Commands with a module of their own, which is loaded when it is called for: each pays for what it uses."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *SUB_COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUB_COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(SUB_COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="lingma-trio")
def cli() -> None:
    """Lingma behind an OpenAI-compatible API."""


@cli.command()
def serve() -> None:
    """Serve the API. Settings come from the environment and from .env."""
    from hypercorn.utils import LifespanFailureError

    from lingma_trio.asgi import Application
    from lingma_trio.commands.starting import FAILED, check_keys_or_exit, inherited_or_exit, settings_or_exit, settle
    from lingma_trio.http.server import Listening, serve_app
    from lingma_trio.systemd import ServiceManager

    settings = settings_or_exit()
    check_keys_or_exit(settings)
    manager = ServiceManager.of(os.environ)
    application = Application(lambda: settings, manager)
    listening = Listening(
        host=settings.host,
        port=settings.port,
        grace=settings.shutdown_grace_sec,
        stall=settings.client_stall_sec,
        inherited=inherited_or_exit(),
    )
    status = 0
    try:
        serving = partial(serve_app, drain=application.drain, reload=application.reload, manager=manager)
        settle()
        trio.run(serving, application, listening)
    except* OSError as group:
        click.echo(f"{settings.host}:{settings.port} cannot be listened on: {group.exceptions[0]}", err=True)
        status = NO_ADDRESS
    except* LifespanFailureError:
        status = FAILED  # the log has said why
    sys.exit(status)


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate(arguments: tuple[str, ...]) -> None:
    """Run the bundled simulator with the real binary's command line."""
    from lingma_trio.simulator.cli import main as simulator

    simulator(list(arguments))


def main() -> None:
    """Entry point of the `lingma-trio` command."""
    cli()


if __name__ == "__main__":
    main()
