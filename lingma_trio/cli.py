"""The command line: every command with its options, and what each is for.

Knows click and nothing that a command works with: what it does is in the module of `lingma_trio.commands` that has its
name, which is loaded when the command is called for. So who asks for help, or has a shell complete, waits for no more.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import click

from lingma_trio import __version__

SETTINGS = {"help_option_names": ["-h", "--help"]}
_SENTENCE = 200
"""More than the first sentence of any command's help has characters."""

_TAKEN_BY_NO_STREAM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What is wrong where output is written to a file on a full disk, or to a terminal that is gone."""

_CLIENTS = ("claude", "codex", "cline", "continue", "aider", "openwebui", "cursor", "curl")
_LIMIT = click.IntRange(1, 10**9)
_INSTANCE = click.option(
    "--instance", default="0", show_default=True, help="Its name in /readyz, or its place among the accounts from 0 on."
)
_KEYS_FILE = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of keys; by default the one of KEYS_FILE.",
)


class Commands(click.Group):
    """The commands as a group that lists each with its first sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands."""
        del ctx
        with formatter.section("Commands"):
            commands = sorted(self.commands.items())
            formatter.write_dl([(name, command.get_short_help_str(_SENTENCE)) for name, command in commands])


def _run(module: str, function: str, given: Mapping[str, object]) -> None:
    getattr(import_module(f"lingma_trio.commands.{module}"), function)(**given)


def _run_server(module: str, function: str, given: Mapping[str, object]) -> None:
    """Run what serves. SIGHUP and SIGUSR2 end nothing, be it before it listens to them or where it never does: what the
    one has read again, a start reads anyhow, and there is nobody yet for the other to have followed.
    """
    for number in (signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, lambda *_: None)  # not ignored, which programs started from here would inherit
    _run(module, function, given)


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="lingma-trio")
def cli() -> None:
    """Lingma behind OpenAI's and Anthropic's APIs.

    `init` writes the settings, `serve` starts the gateway, `doctor` says what is wrong.
    """


@cli.command()
@click.option("--host", default="", help="Listen on this address, instead of HOST.")
@click.option("--port", default=None, type=click.IntRange(0, 65535), help="Listen on this port, instead of PORT.")
@click.option(
    "--env-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read this file, instead of .env."
)
def agent(**given: object) -> None:
    """Run Lingmas for gateways elsewhere, which have LINGMA_UPSTREAM=agents. Settings come as for `serve`.

    Exit status: 0 after a signal, 1 when the agent failed, 2 for settings that are faulty or missing, 3 when the
    address cannot be had.
    """
    _run_server("agent", "agent", given)


@cli.command()
@click.option("--force", is_flag=True, help="Fetch the binary although it is there, also one put there by hand.")
def bootstrap(**given: object) -> None:
    """Fetch the newest Lingma to LINGMA_BIN, if it is not there yet, and print its SHA-256 and path.

    Exit status: 0 when there is a binary to run, 1 when there is none, 2 for faulty settings.
    """
    _run("bootstrap", "bootstrap", given)


@cli.group()
def bundle() -> None:
    """Carry Lingma's login to another machine. A bundle is as good as the account's password."""


@bundle.command("export")
@_INSTANCE
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, readable for this user alone; without it the bundle goes to standard output.",
)
def export_bundle(**given: object) -> None:
    """Write the login of an instance as one line of base64, for LINGMA_SESSION_BUNDLE or a file of it.

    A running gateway need not be stopped for it. Exit status: 0, 1 when there is no login, 2 for faulty settings.
    """
    _run("bundle", "export_bundle", given)


@bundle.command("import")
@_INSTANCE
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
def import_bundle(**given: object) -> None:
    """Give an instance the login of a bundle, FILE or - for standard input. The gateway must not be running.

    A login that is there already stays. Exit status: 0, 1 when the login was not restored, 2 for faulty settings.
    """
    _run("bundle", "import_bundle", given)


@cli.command()
@click.option("--model", default="", help="The model to ask; by default DEFAULT_MODEL.")
@click.option("--system", default="", help="What the model is told beforehand.")
@click.option("--url", default="", help="The gateway's address; by default that of this folder, or of HOST and PORT.")
def chat(**given: object) -> None:
    """Talk with a running gateway. Ctrl-C cancels an answer; Ctrl-D ends the conversation.

    Exit status: 0, 1 when the last question was refused, 2 for faulty settings, 3 when nobody answers.
    """
    _run("chat", "chat", given)


@cli.command()
@click.argument("client", required=False, type=click.Choice(_CLIENTS))
@click.option("--write", is_flag=True, help="Put the lines into the client's own file, after asking.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--model", default="", help="The model to name; by default DEFAULT_MODEL.")
@click.option("--url", default="", help="The gateway's address, as the client reaches it.")
def clients(**given: object) -> None:
    """Show the lines that a client needs for this gateway. A file is added to; what stands there is kept.

    Without CLIENT it shows which clients it knows.

    Exit status: 0, 1 when nothing was written, 2 for faulty settings, 3 when the address is not known.
    """
    _run("clients", "clients", given)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--round-trip/--no-round-trip", default=True, help="Ask Lingma a short question, which uses some quota.")
def doctor(**given: object) -> None:
    """Examine this installation. Exit status: 0 all is fine, 1 warnings, 2 faults."""
    _run("doctor", "doctor", given)


@cli.command()
@click.option("--yes", "-y", is_flag=True, help="Ask nothing; without an account or Lingma the simulator answers.")
@click.option(
    "--import",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take over the settings of another .env, or of a compose file (.yaml, .yml).",
)
def init(**given: object) -> None:
    """Write a .env to begin with. It is only yours to read, and has a new API key and a new ADMIN_TOKEN.

    What the environment says of the port, the account and the places goes into it. A .env that is there stays as it is.
    Exit status: 0, 1 when it was not written, 2 for settings that do not fit.
    """
    _run("init", "init", given)


@cli.group()
def keys() -> None:
    """Make, list and revoke the API keys of KEYS_FILE; a running gateway takes the change up by itself."""


@keys.command("new")
@click.argument("name")
@click.option("--max-in-flight", type=_LIMIT, help="Chat requests of the key that are answered at once.")
@click.option("--rpm", "requests_per_minute", type=_LIMIT, help="Chat requests a minute.")
@click.option(
    "--tpm", "tokens_per_minute", type=_LIMIT, help="Estimated tokens a minute, prompts and answers together."
)
@click.option("--models", help="Comma list of the models it may use, by id or display name.")
@click.option("--expires", metavar="DATE|DAYSd", help="When it ends: 2027-01-31, 2027-01-31T18:00:00+08:00, or 90d.")
@_KEYS_FILE
def new_key(**given: object) -> None:
    """Make a key for NAME and print it: it is shown this once.

    Exit status: 0, 1 when it was not done or a running gateway does not take it, 2 for faulty settings.
    """
    _run("keys", "new_key", given)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@_KEYS_FILE
def list_keys(**given: object) -> None:
    """Show the keys by their names, with their limits. Exit status: 0, 1 when the file cannot be used, 2."""
    _run("keys", "list_keys", given)


@keys.command("revoke")
@click.argument("name")
@_KEYS_FILE
def revoke_key(**given: object) -> None:
    """Take the key of NAME out of the file: it has no further request admitted.

    Exit status: 0, 1 when it was not done or a running gateway goes on with the key, 2 for faulty settings.
    """
    _run("keys", "revoke_key", given)


@cli.command()
@click.option("--instance", default="", help="The instance's name; needed where there are several.")
@click.option("--url", default="", help="The gateway's address; by default the one of HOST and PORT on this machine.")
def login(**given: object) -> None:
    """Sign an instance in by hand. Exit status: 0 signed in, 1 not, 2 faulty settings, 3 nobody there.

    Prints a link to open in any browser. Where that browser runs on another machine it ends at an address that it
    cannot reach: paste that address here. Needs ADMIN_TOKEN in the settings.
    """
    _run("login", "login", given)


@cli.command()
@click.option("--host", default="", help="Listen on this address, instead of HOST.")
@click.option("--port", default=None, type=click.IntRange(0, 65535), help="Listen on this port, instead of PORT.")
@click.option("--simulator", is_flag=True, help="Let the bundled simulator answer, whatever is configured.")
@click.option("--or-simulator", is_flag=True, help="Let it answer where nothing is configured.")
@click.option(
    "--env-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read this file, instead of .env."
)
@click.option("--takeover", is_flag=True, help="Take over from the gateway that serves for this folder, without a gap.")
def serve(**given: object) -> None:
    """Serve the API. Settings come from the environment and from .env; options go before both.

    Exit status: 0 after a signal or once another one has taken over, 1 when the gateway failed or could not take over,
    2 for settings that are faulty or missing, 3 when the address cannot be had.
    """
    _run_server("serve", "serve", given)


@cli.group()
def sessions() -> None:
    """See to the sessions that a running gateway can continue."""


@sessions.command("clear")
@click.option("--url", default="", help="The gateway's address; by default the one of HOST and PORT on this machine.")
def clear_sessions(**given: object) -> None:
    """Forget all of them, at every gateway of a shared store: each conversation sends its whole transcript once.

    Exit status: 0 forgotten, 1 not, 2 faulty settings, 3 nobody there. Needs ADMIN_TOKEN in the settings.
    """
    _run("sessions", "clear_sessions", given)


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate(**given: object) -> None:
    """Run the bundled simulator with the real binary's command line."""
    _run("simulate", "simulate", given)


@cli.command()
@click.option("--url", default="", help="The gateway's address; by default the one of HOST and PORT on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def status(**given: object) -> None:
    """Show a running gateway. Exit status: 0 ready, 1 not ready, 2 faulty settings, 3 nobody there.

    With ADMIN_TOKEN in the settings it shows statistics as well; the token is sent to the address that is asked.
    """
    _run("status", "status", given)


@cli.command()
@click.option("--url", default="", help="The gateway's address; by default the one of HOST and PORT on this machine.")
@click.option("--where", is_flag=True, help="Show the line of the gateway's code that each task waits in.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def tree(**given: object) -> None:
    """Draw the live task tree. Exit status: 0 drawn, 1 not for this token, 2 faulty settings, 3 nobody there.

    Needs ADMIN_TOKEN in the settings; it is sent to the address that is asked. Many tasks of one kind are counted
    rather than drawn.
    """
    _run("tree", "tree", given)


def main() -> None:
    """Entry point of the `lingma-trio` command."""
    _fill_streams()
    try:
        cli(prog_name="lingma-trio")
    except OSError as fault:
        if fault.filename is not None or fault.errno not in _TAKEN_BY_NO_STREAM:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # where what is left of the output goes at the end
        click.echo(f"lingma-trio: what it says cannot be written ({fault.strerror})", err=True)
        sys.exit(1)


def _fill_streams() -> None:
    """Have nothing in place of each standard stream that was closed: else the next file or socket that is opened takes
    its number, and is read or written for it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - stays open


if __name__ == "__main__":
    main()
