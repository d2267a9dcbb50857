"""KEYS_FILE as a command edits it: as the gateway of these settings would have it, and followed until that has it.

Parses nothing and prints to standard error alone. What a running gateway is asked, `doctor.running` knows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import trio

from lingma_trio.commands.printing import clean
from lingma_trio.commands.starting import fail
from lingma_trio.config import Settings
from lingma_trio.doctor.running import KeysFileReport, NoGateway, RunningGateway, Stats
from lingma_trio.http.key_watch import POLL
from lingma_trio.keys.document import Form, KeysFault
from lingma_trio.keys.file import edit

PATIENCE = 3 * POLL
"""Seconds in which a gateway that runs has looked at the file, also when it is busy."""

LOOK_EVERY = 0.2  # seconds


class Keyring:
    """One file of keys. It is the gateway's own where it is KEYS_FILE, by whatever path."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self._settings = settings
        self._in_use = settings.keys_file is not None and settings.keys_file.resolve() == path.resolve()

    def __repr__(self) -> str:
        return f"<Keyring {self.path} in_use={self._in_use}>"

    def edit(self, change: Callable[[str, Form], str]) -> str:
        """Change the file's text; returns the edition of the new one. Ends the process with 1 where the gateway would
        not take it, with all that is wrong.
        """
        try:
            return edit(self.path, change, self._settings.api_keys if self._in_use else ())
        except KeysFault as fault:
            fail(f"the file stays as it is, and with it every key that it has:\n{fault}")

    def follow(self, edition: str) -> None:
        """Say whether a running gateway has the edition in force; ends the process with 1 where it goes on without."""
        if not self._in_use:
            click.echo("it is not the KEYS_FILE of these settings, so no gateway was asked whether it has it", err=True)
            return
        try:
            gateway = RunningGateway.of(self._settings)
            file = trio.run(_follow, gateway, edition)
        except NoGateway as fault:
            click.echo(f"no gateway could be asked whether it has the file, so look at its log: {fault}", err=True)
            return
        if file is None:
            click.echo(f"the gateway at {gateway.url} has no KEYS_FILE; set it there, and start it anew", err=True)
            return
        if file.edition == edition:
            click.echo(f"the gateway at {gateway.url} has it in force", err=True)
            return
        reason = clean(file.fault) or f"it has not read {clean(file.path)} within {PATIENCE:g} s; is that this file?"
        fail(f"the gateway at {gateway.url} goes on with the keys of before: {reason}")


async def _follow(gateway: RunningGateway, edition: str) -> KeysFileReport | None:
    """How the gateway's file is doing, as soon as it is this edition, or after PATIENCE seconds. Raises `NoGateway`."""
    file = (await _stats(gateway)).keys.file
    with trio.move_on_after(PATIENCE):
        while file is not None and file.edition != edition:
            await trio.sleep(LOOK_EVERY)
            file = (await _stats(gateway)).keys.file
    return file


async def _stats(gateway: RunningGateway) -> Stats:
    if not gateway.admin_token:
        raise NoGateway("ADMIN_TOKEN is not set")
    stats = await gateway.stats()
    if stats is None:
        raise NoGateway(f"the gateway at {gateway.url} does not take this ADMIN_TOKEN")
    return stats
