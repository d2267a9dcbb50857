"""`lingma-trio keys`: makes, lists and revokes the API keys of KEYS_FILE.

Parses, delegates and prints. A key is shown once, when it is made; the file has its digest alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from pydantic_core import to_json

from lingma_trio.commands.keyring import Keyring
from lingma_trio.commands.printing import say, table
from lingma_trio.commands.starting import fail, settings_or_exit
from lingma_trio.keys import editing
from lingma_trio.keys.document import Form, KeysFault, moment
from lingma_trio.keys.file import read_keys
from lingma_trio.keys.key import ApiKey
from lingma_trio.keys.making import make_key

_DAYS = re.compile(r"([1-9][0-9]{0,4})d")


@click.group()
def keys() -> None:
    """Make, list and revoke the API keys of KEYS_FILE; a running gateway takes the change up by itself."""


file_option = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of keys; by default the one of KEYS_FILE.",
)


@dataclass(frozen=True)
class _Expiry(click.ParamType[datetime]):
    """A date, a moment, or a number of days from now such as `90d`."""

    name = "DATE|DAYSd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401
        """Read it."""
        if days := _DAYS.fullmatch(str(value)):
            return datetime.now(UTC).replace(microsecond=0) + timedelta(days=int(days[1]))
        try:
            found = moment(value)
        except ValueError as fault:
            self.fail(str(fault), param, ctx)
        assert found is not None
        return found


_LIMIT = click.IntRange(1, 10**9)


@keys.command("new")
@click.argument("name")
@click.option("--max-in-flight", type=_LIMIT, help="Chat requests of the key that are answered at once.")
@click.option("--rpm", "requests_per_minute", type=_LIMIT, help="Chat requests a minute.")
@click.option(
    "--tpm", "tokens_per_minute", type=_LIMIT, help="Estimated tokens a minute, prompts and answers together."
)
@click.option("--models", help="Comma list of the models it may use, by id or display name.")
@click.option("--expires", type=_Expiry(), help="When it ends: 2027-01-31, 2027-01-31T18:00:00+08:00, or 90d.")
@file_option
def new_key(name: str, models: str | None, expires: datetime | None, file: Path | None, **limits: int | None) -> None:
    """Make a key for NAME and print it: it is shown this once.

    Exit status: 0, 1 when it was not done or a running gateway does not take it, 2 for faulty settings.
    """
    keyring = _keyring(file)
    fields: dict[str, Any] = {field: limit for field, limit in limits.items() if limit is not None}
    if models is not None:
        fields["models"] = [each for each in map(str.strip, models.split(",")) if each]
    if expires is not None:
        fields["expires"] = expires.isoformat()

    try:
        key, entry = make_key(name, fields)
    except KeysFault as fault:
        fail(fault)

    def add(text: str, form: Form) -> str:
        return editing.with_entry(text, entry, form)

    edition = keyring.edit(add)
    click.echo(key)
    click.echo(f"{name} is in {keyring.path}; the key is shown this once, and the file has its digest alone", err=True)
    keyring.follow(edition)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@file_option
def list_keys(file: Path | None, *, as_json: bool) -> None:
    """Show the keys by their names, with their limits. Exit status: 0, 1 when the file cannot be used, 2."""
    path = _keyring(file).path
    try:
        found = read_keys(path).keys
    except KeysFault as fault:
        fail(fault)
    if as_json:
        click.echo(to_json({"keys": [_report(key) for key in found]}, indent=2))
    elif not found:
        say(f"{path} has no keys; make one with `lingma-trio keys new NAME`")
    else:
        table(["name", "in flight", "requests/min", "tokens/min", "models", "expires"], [_row(key) for key in found])


@keys.command("revoke")
@click.argument("name")
@file_option
def revoke_key(name: str, file: Path | None) -> None:
    """Take the key of NAME out of the file: it has no further request admitted.

    Exit status: 0, 1 when it was not done or a running gateway goes on with the key, 2 for faulty settings.
    """
    keyring = _keyring(file)

    def remove(text: str, form: Form) -> str:
        return editing.without_entry(text, name, form)

    edition = keyring.edit(remove)
    click.echo(f"{name} is out of {keyring.path}", err=True)
    keyring.follow(edition)


def _keyring(file: Path | None) -> Keyring:
    settings = settings_or_exit()
    path = file or settings.keys_file
    if path is None:
        fail("KEYS_FILE is not set; set it, or give --file")
    return Keyring(path, settings)


def _expired(key: ApiKey) -> bool:
    return key.expires is not None and key.expires <= datetime.now(UTC)


def _report(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "max_in_flight": key.max_in_flight or None,
        "requests_per_minute": key.requests_per_minute or None,
        "tokens_per_minute": key.tokens_per_minute or None,
        "models": list(key.models) or None,
        "expires": key.expires.isoformat() if key.expires is not None else None,
        "expired": _expired(key),
    }


def _row(key: ApiKey) -> list[str]:
    limits = (key.max_in_flight, key.requests_per_minute, key.tokens_per_minute)
    until = "never" if key.expires is None else key.expires.isoformat() + (" (over)" if _expired(key) else "")
    return [key.name, *(str(limit) if limit else "-" for limit in limits), ", ".join(key.models) or "all", until]
