"""Where the store that gateways share is, as STATE_URL says it.

Knows the forms of the address. Does not connect, and repeats nothing of the text in a fault: it may hold a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

HostPort: TypeAlias = tuple[str, int]

PORT = 6379
SENTINEL_PORT = 26379
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)
_SENTINEL = "+sentinel"
_TLS = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}


@dataclass(frozen=True, slots=True)
class StateAddress:
    """The store itself, or the Sentinels that know where it is under the name `sentinel`, which is empty without.

    `user`, `password` and `db` are the store's in both cases; `tls` is of all connections.
    """

    hosts: tuple[HostPort, ...]
    tls: bool = False
    sentinel: str = ""
    user: str = ""
    password: SecretStr = SecretStr("")
    db: int = 0

    @property
    def secrets(self) -> frozenset[str]:
        """What must appear in no log, metric or error."""
        return frozenset((self.password.get_secret_value(),)) if self.password else frozenset()

    def __str__(self) -> str:
        """For people: hosts and name, without user and password."""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        scheme = ("valkeys" if self.tls else "valkey") + (_SENTINEL if self.sentinel else "")
        path = "/".join(part for part in (self.sentinel, str(self.db or "")) if part)
        return f"{scheme}://{hosts}" + (f"/{path}" if path else "")


def parse_state_address(text: str) -> StateAddress:
    """Read `valkey://user:password@host:port/db`, and `valkey+sentinel://host:port,host:port/name/db` with Sentinels.

    `redis` is the same as `valkey`; `valkeys` and `rediss` are with TLS. User and password are decoded as in any
    address. Raises `ValueError` with what is wrong.
    """
    scheme, mark, rest = text.strip().partition("://")
    base = scheme.lower().removesuffix(_SENTINEL)
    if not mark or base not in _TLS:
        raise ValueError("is no valkey://, redis://, valkeys:// or rediss:// address, nor one of these with +sentinel")
    sentinel = scheme.lower().endswith(_SENTINEL)
    if "?" in rest or "#" in rest:
        raise ValueError("has a ? or # in it; write %3F or %23 where it belongs to the user or the password")
    authority, _, path = rest.partition("/")
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    name, db = _path(path, sentinel=sentinel)
    entries = hosts.split(",") if sentinel else [hosts]
    return StateAddress(
        hosts=tuple(_host_port(entry, SENTINEL_PORT if sentinel else PORT) for entry in entries),
        tls=_TLS[base],
        sentinel=name,
        user=unquote(user),
        password=SecretStr(unquote(password)),
        db=db,
    )


def _path(path: str, *, sentinel: bool) -> tuple[str, int]:
    name, _, db = path.partition("/") if sentinel else ("", "", path)
    if sentinel and not name:
        raise ValueError("names no primary: the Sentinels' name for it stands behind the hosts, as in /main")
    if db and not (db.isascii() and db.isdigit()):
        raise ValueError("has no number for a database at its end")
    return unquote(name), int(db or 0)


def _host_port(entry: str, port: int) -> HostPort:
    try:
        parts = urlsplit(f"//{entry.strip()}")
        host, given = parts.hostname, parts.port
    except ValueError:
        host, given = None, None
    if not host or not _HOST.fullmatch(host) or given == 0:
        raise ValueError("has no host such as store.example.com:6379; several are for Sentinels only")
    return host, given or port
