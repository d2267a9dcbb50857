"""The accounts that may answer, as the settings spell them: those of Lingma, and those of an agent.

Knows their notations. Does not know where the text came from, how a login works or how many instances there are.
No fault it reports holds any part of what was written, for every part may be a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import from_json

_SECRETS = frozenset({"password", "session_bundle", "session_bundle_file"})
_KEYS = _SECRETS | {"username", "name"}
MAX_NAME = 64
"""Characters of an account's name."""
_PLACE_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{MAX_NAME - 1}}}")

AGENT_VARIABLES = frozenset(
    {"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "PATH", "LANG", "NO_COLOR", "CI"}
)
"""What an agent's environment holds, beside its token."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account. It has a password, a session bundle, or both.

    `session_bundle` is the bundle's own text (base64), `session_bundle_file` where to read it; at most one is given.
    `username` is empty where the settings hold a bundle and no name. `name` is what the operator calls the account.
    """

    username: str
    password: SecretStr = SecretStr("")
    session_bundle: SecretStr = SecretStr("")
    session_bundle_file: Path | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """What the operator is shown: the name, or as much of the user name as tells it from others; may be empty."""
        user, at, site = self.username.partition("@")
        masked = f"{user[:2]}***{at}{site}" if user else ""
        return self.name or masked

    @property
    def secrets(self) -> frozenset[str]:
        """The texts that must never be shown."""
        texts = (self.password.get_secret_value(), self.session_bundle.get_secret_value())
        return frozenset(text for text in texts if text)


@dataclass(frozen=True, slots=True)
class AgentAccount:
    """One account of an agent. `name` is what the operator calls it, and its directory is called; `token` is what the
    agent signs in with, empty where it needs none.
    """

    name: str = "default"
    token: SecretStr = SecretStr("")


def parse_tokens(text: str) -> tuple[AgentAccount, ...]:
    """Read `name:token,name:token`.

    Raises `ValueError` that names the place of each faulty entry, counted from 1, and repeats nothing of it.
    """
    accounts: list[AgentAccount] = []
    faults: list[str] = []
    for place, entry in enumerate(filter(str.strip, text.split(",")), start=1):
        name, _, token = entry.strip().partition(":")
        if not _PLACE_NAME.fullmatch(name) or not token:
            faults.append(
                f"entry {place} is not of the form name:token (a name is letters, digits, `_`, `.` and `-`, does not "
                f"begin with one of the last two, and has at most {MAX_NAME} characters)"
            )
        elif not token.isprintable() or not token.isascii():
            faults.append(f"entry {place} has a token with a character that no token has")
        elif any(account.name.casefold() == name.casefold() for account in accounts):
            faults.append(f"entry {place} has the name of another; case does not count")
        else:
            accounts.append(AgentAccount(name, SecretStr(token)))
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(accounts)


def parse_accounts(text: str) -> tuple[Account, ...]:
    """Read `user:pass,user:pass`, or a JSON array whose entries are such texts or objects.

    Raises `ValueError` that names the place of each faulty entry, counted from 1, and repeats nothing of it.
    """
    text = text.strip()
    entries: list[Any] = _json_array(text) if text.startswith("[") else list(filter(str.strip, text.split(",")))
    accounts: list[Account] = []
    faults: list[str] = []
    for place, entry in enumerate(entries, start=1):
        try:
            accounts.append(_from_text(entry) if isinstance(entry, str) else _from_object(entry))
        except ValueError as fault:
            faults.append(f"entry {place} {fault}")
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(accounts)


def _json_array(text: str) -> list[Any]:
    try:
        entries = from_json(text)
    except ValueError:
        fault = "is no valid JSON array"
    else:
        if isinstance(entries, list):
            return entries
        fault = "starts like a JSON array and is none"
    raise ValueError(fault)


def _from_text(entry: str) -> Account:
    username, colon, password = entry.strip().partition(":")
    if not (username and colon and password):
        raise ValueError("is not of the form user:password (a password with a comma needs the JSON form)")
    return Account(username, SecretStr(password))


def _from_object(entry: object) -> Account:
    if not isinstance(entry, dict):
        raise ValueError("is neither a text nor an object")
    if not entry.keys() <= _KEYS:
        raise ValueError(f"has a key other than {', '.join(sorted(_KEYS))}")
    if not all(isinstance(value, str) for value in entry.values()):
        raise ValueError("has a value that is no text")
    if not entry.get("username"):
        raise ValueError("has no username")
    if entry.get("session_bundle") and entry.get("session_bundle_file"):
        raise ValueError("has both session_bundle and session_bundle_file")
    if not any(entry.get(key) for key in _SECRETS):
        raise ValueError("has neither password nor session_bundle nor session_bundle_file")
    name = entry.get("name", "")
    if len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(f"has a name that is no text of at most {MAX_NAME} printable characters")
    bundle_file = entry.get("session_bundle_file")
    return Account(
        username=entry["username"],
        password=SecretStr(entry.get("password", "")),
        session_bundle=SecretStr(entry.get("session_bundle", "")),
        session_bundle_file=Path(bundle_file) if bundle_file else None,
        name=name,
    )
