"""`lingma-trio keys`: makes, lists and revokes the API keys of KEYS_FILE.

Parses, delegates and prints. A key is shown once, when it is made; the file has its digest alone.
"""

from __future__ import annotations

import re
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
from lingma_trio.keys.making import make_key, named_models

_DAYS = re.compile(r"([1-9][0-9]{0,4})d")


def new_key(name: str, models: str | None, expires: str | None, file: Path | None, **limits: int | None) -> None:
    """Do what `lingma-trio keys new` is for, and end the process with the status that its help names."""
    keyring = _keyring(file)
    fields: dict[str, Any] = {field: limit for field, limit in limits.items() if limit is not None}
    if models is not None:
        try:
            fields["models"] = named_models(models.split(","))
        except KeysFault as fault:
            raise click.BadParameter(str(fault), param_hint="--models") from None
    if expires is not None:
        fields["expires"] = _end(expires).isoformat()

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


def list_keys(file: Path | None, *, as_json: bool) -> None:
    """Do what `lingma-trio keys list` is for, and end the process with the status that its help names."""
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


def revoke_key(name: str, file: Path | None) -> None:
    """Do what `lingma-trio keys revoke` is for, and end the process with the status that its help names."""
    keyring = _keyring(file)

    def remove(text: str, form: Form) -> str:
        return editing.without_entry(text, name, form)

    edition = keyring.edit(remove)
    click.echo(f"{name} is out of {keyring.path}", err=True)
    keyring.follow(edition)


def _end(text: str) -> datetime:
    """A date, a moment, or a number of days from now such as `90d`."""
    if days := _DAYS.fullmatch(text):
        return datetime.now(UTC).replace(microsecond=0) + timedelta(days=int(days[1]))
    try:
        found = moment(text)
    except ValueError as fault:
        raise click.BadParameter(str(fault), param_hint="--expires") from None
    assert found is not None
    return found


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
