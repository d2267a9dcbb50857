"""The command line: the names of the commands, and what each is for.

A command's module is loaded when the command is called for, and neither to list nor to complete the names: each pays
for what it uses.
"""

from __future__ import annotations

from importlib import import_module

import click
from click.shell_completion import CompletionItem

from lingma_trio import __version__

COMMANDS = {
    "bootstrap": "Fetch the newest Lingma to LINGMA_BIN, if it is not there yet, and print its SHA-256 and path.",
    "bundle": "Carry Lingma's login to another machine.",
    "chat": "Talk with a running gateway.",
    "clients": "Show the lines that a client needs for this gateway.",
    "doctor": "Examine this installation.",
    "init": "Write a .env to begin with.",
    "keys": "Make, list and revoke the API keys of KEYS_FILE.",
    "login": "Sign an instance in by hand.",
    "serve": "Serve the API.",
    "simulate": "Run the bundled simulator with the real binary's command line.",
    "status": "Show a running gateway.",
    "tree": "Draw the live task tree.",
}
"""Each command, in the module of `lingma_trio.commands` that has its name, with what its help begins with."""

SETTINGS = {"help_option_names": ["-h", "--help"]}


class Commands(click.Group):
    """The commands as a group that knows their names and loads what is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, if there is one."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"lingma_trio.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that begin like that, then the options."""
        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="lingma-trio")
def cli() -> None:
    """Lingma behind OpenAI's and Anthropic's APIs.

    `init` writes the settings, `serve` starts the gateway, `doctor` says what is wrong.
    """


def main() -> None:
    """Entry point of the `lingma-trio` command."""
    cli(prog_name="lingma-trio")


if __name__ == "__main__":
    main()
