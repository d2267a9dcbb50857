"""`lingma-trio clients`: the lines that a client needs for this gateway, printed or put where they belong.

Parses, asks and prints. What each client wants `lingma_trio.clients` knows.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from lingma_trio.clients import CLIENTS, Gateway, Lines
from lingma_trio.commands.printing import own_command, say
from lingma_trio.commands.starting import fail, settings_here_or_exit
from lingma_trio.config import Settings
from lingma_trio.doctor.running import NoGateway, RunningGateway
from lingma_trio.private_files import write_private
from lingma_trio.setup.merging import Unmergeable, merged

NO_ADDRESS = 3
ANY_KEY = "any-key-will-do"
"""What clients send that insist on a key where the gateway asks for none."""

UNKNOWN_KEY = "YOUR-KEY"


def clients(client: str | None, write: bool, yes: bool, model: str, url: str) -> None:
    """Do what `lingma-trio clients` is for, and end the process with the status that its help names."""
    if client is None:
        for name in CLIENTS:
            say(f"{own_command()} clients {name}")
        return
    settings = settings_here_or_exit()
    try:
        address = RunningGateway.of(settings, url).url
    except NoGateway as fault:
        say(str(fault))
        sys.exit(NO_ADDRESS)
    to = Gateway(address, _key(settings), model or settings.default_model)
    wanted = CLIENTS[client]
    first, *others = wanted.lines(to)
    if first.file:
        say(f"In {first.file}:\n")
    say(first.text)
    if write:
        _write(first, yes=yes, key_is_known=to.key != UNKNOWN_KEY)
    for lines in others:
        say(f"\n{lines.text}")
    if wanted.note:
        say(f"\n{wanted.note.format(model=shlex.quote(to.model))}")


def _key(settings: Settings) -> str:
    """A key that the gateway takes, as far as the settings hold one."""
    known = next((key.secret.get_secret_value() for key in settings.api_keys if key.secret), "")
    return known or (UNKNOWN_KEY if settings.api_keys or settings.keys_file else ANY_KEY)


def _write(lines: Lines, *, yes: bool, key_is_known: bool) -> None:
    if not lines.file:
        fail("this client keeps its settings where no other program writes; enter the lines above there")
    if not key_is_known:
        fail("the settings hold digests of keys alone; put your key into the lines above and add them by hand")
    file = Path(lines.file).expanduser()
    try:
        there = file.read_text(encoding="utf-8") if file.exists() else ""
        text = merged(lines.form, there, lines.text)
        if text == there:
            say(f"\n{file} has them already.")
            return
        say("")
        if not yes and not click.confirm(f"{'Add them to' if there else 'Write'} {file}?"):
            fail("nothing was written")
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(file.resolve(), text.encode(), keep_owner=True)
    except Unmergeable as fault:
        fail(f"{file} was left as it is, since {fault}; add the lines above by hand")
    except (OSError, UnicodeError) as fault:
        fail(f"{file} was not written: {fault}")
    say(f"Written to {file}.")
