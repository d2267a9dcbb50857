"""`lingma-trio init`: writes the settings of a new installation to `.env`, and says what to do next.

Parses, asks, and prints. What is generated goes into the file and nowhere else.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from lingma_trio.commands.printing import own_command, say
from lingma_trio.commands.starting import fail, refuse_settings
from lingma_trio.config.loading import data_directory
from lingma_trio.errors import ConfigurationFault
from lingma_trio.keys.key import PREFIX
from lingma_trio.private_files import write_new
from lingma_trio.setup.importing import Imported, take_over
from lingma_trio.setup.plan import Plan, draw_up

ENV_FILE = Path(".env")
SECRET_BYTES = 32

ANSWERS = {
    "1": "a Lingma account, by its user name and password",
    "2": "a login that was made on another machine: a file of `lingma-trio bundle export`",
    "3": "an account that you sign in to in a browser, once the gateway runs",
    "4": "the bundled simulator, which needs no account",
    "5": "an agent that speaks ACP, by the command that starts it",
}
"""What may answer, by the number to type."""

UPSTREAMS = {"4": "simulator", "5": "acp"}
"""What LINGMA_UPSTREAM is where it is not Lingma, by the number."""

SHOWN = ("LINGMA_UPSTREAM", "HOST", "PORT", "LINGMA_DATA_DIR", "LINGMA_BIN", "LINGMA_USERNAME")
"""Variables whose values are printed; the others hold secrets."""


def init(yes: bool, source: Path | None) -> None:
    """Do what `lingma-trio init` is for, and end the process with the status that its help names."""
    if os.path.lexists(ENV_FILE):
        say(f"{ENV_FILE} is there already, and nothing was changed.")
        _tell_next()
        return
    try:
        imported = None if source is None else _read(source)
        plan = draw_up(
            imported.variables if imported is not None else {} if yes else _asked(),
            new_key=PREFIX + secrets.token_urlsafe(SECRET_BYTES),
            new_token=secrets.token_urlsafe(SECRET_BYTES),
            environ=os.environ,
        )
        write_new(ENV_FILE, plan.text().encode())
    except ConfigurationFault as fault:
        refuse_settings(fault)
    except (OSError, ValueError) as fault:
        fail(f"{ENV_FILE} was not written: {fault.strerror if isinstance(fault, OSError) else fault}")
    _tell(plan)
    if imported is not None:
        _tell_of_import(imported)
    _tell_next()


def _read(source: Path) -> Imported:
    """What is taken over from another installation. Raises `ConfigurationFault`."""
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError):
        fail(f"{source} cannot be read as UTF-8 text")
    return take_over(text, compose=source.suffix in {".yaml", ".yml"})


def _tell_of_import(imported: Imported) -> None:
    say(f"Taken over as they were: {', '.join(imported.variables) or 'none'}.")
    for line in imported.report:
        say(f"  {line}")


def _asked() -> dict[str, str]:
    """What a person wishes for."""
    say("What shall answer?")
    for number, answer in ANSWERS.items():
        say(f"  {number}  {answer}")
    chosen = click.prompt("Number", default="4", type=click.Choice(list(ANSWERS)), show_choices=False)
    wishes = {"LINGMA_UPSTREAM": UPSTREAMS.get(chosen, "lingma")}
    if chosen == "1":
        wishes["LINGMA_USERNAME"] = click.prompt("User name")
        wishes["LINGMA_PASSWORD"] = click.prompt("Password", hide_input=True)
    if chosen == "2":
        file = click.prompt("File of the login", type=click.Path(exists=True, dir_okay=False, path_type=Path))
        wishes["LINGMA_SESSION_BUNDLE_FILE"] = str(file.absolute())
    if chosen == "5":
        wishes["ACP_COMMAND"] = click.prompt("Command that starts it")
        wishes["ACP_TOKEN_VARIABLE"] = click.prompt("Variable that it reads its token from, if any", default="")
        if wishes["ACP_TOKEN_VARIABLE"]:
            wishes["ACP_TOKENS"] = f"default:{click.prompt('Token', hide_input=True)}"
    wishes["PORT"] = str(click.prompt("Port", default=os.environ.get("PORT") or 8317, type=click.IntRange(0, 65535)))
    data = os.environ.get("LINGMA_DATA_DIR") or str(data_directory(os.environ))
    wishes["LINGMA_DATA_DIR"] = str(Path(click.prompt("Directory for data", default=data)).expanduser().absolute())
    return wishes


def _tell(plan: Plan) -> None:
    say(f"Wrote {ENV_FILE}, which only you can read; {plan.why}.")
    for name, value in plan.variables.items():
        say(f"  {name}={value if name in SHOWN else '…'}")


def _tell_next() -> None:
    say(f"Next: {own_command()} serve")
