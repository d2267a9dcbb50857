"""Where the server listens: at an address, at both kinds of any address, at a path, or at sockets it was given."""

from __future__ import annotations

import os
import socket as sockets
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BACKLOG = 1024  # connections the kernel holds while the loop is busy; the default of 100 loses some of a burst
UNIX = "unix:"
"""What a host begins with that is a path to listen at."""

FOR_GROUP = 0o660
"""Who may connect at a path: a reverse proxy of the same group."""


@dataclass
class Listeners:
    """The sockets that listen. What is at paths is removed with them, unless they are `handed_on` by then."""

    sockets: list[sockets.socket]
    handed_on: bool = False


@contextmanager
def open_listeners(host: str, port: int, inherited: Sequence[sockets.socket]) -> Iterator[Listeners]:
    """The sockets that listen, which are closed at the end: those that are `inherited`, or else one of our own.

    Raises OSError when the address cannot be had.
    """
    with ExitStack() as stack:
        opened = [stack.enter_context(socket) for socket in inherited or [open_listener(host, port)]]
        listeners = Listeners(opened)
        for listener in opened:
            listener.setblocking(False)
            if path := _path_of(listener):
                with suppress(FileNotFoundError):
                    stack.callback(_remove, path, _identity(path), listeners)
        yield listeners


def open_listener(host: str, port: int) -> sockets.socket:
    """A socket that listens. At `::` it hears IPv4, too; with `unix:` and a path, whoever may open that path."""
    if path := path_in(host):
        return listen_at(Path(path))
    family, kind, protocol, _, address = look_up(host, port)[0]
    listener = sockets.socket(family, kind, protocol)
    try:
        listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        if family == sockets.AF_INET6:
            listener.setsockopt(sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, int(host != "::"))
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def look_up(host: str, port: int) -> list[tuple[int, int, int, str, tuple[Any, ...]]]:
    """Every address that a host stands for, as `getaddrinfo` has them. Raises OSError, also for what can be no name."""
    try:
        return [*sockets.getaddrinfo(host, port, type=sockets.SOCK_STREAM, flags=sockets.AI_PASSIVE)]
    except UnicodeError as fault:
        raise sockets.gaierror(sockets.EAI_NONAME, "no host can have this name") from fault


def path_in(host: str) -> str:
    """The path that a host names to listen at; empty for one that is an address."""
    return host.removeprefix(UNIX) if host.startswith(UNIX) else ""


def place_of(listener: sockets.socket, scheme: str) -> str:
    """Where a client finds it, as an address to be read."""
    if path := _path_of(listener):
        return f"{UNIX}{path}"
    address = listener.getsockname()
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{scheme}://{host}:{address[1]}"


def listen_at(path: Path, *, kind: int = sockets.SOCK_STREAM, mode: int = FOR_GROUP) -> sockets.socket:
    """A socket of that kind that listens at `path`, which has that `mode`. Another one there that nobody listens at is
    in the way of nobody, and is replaced. Raises OSError when the path cannot be had.
    """
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode) and not _answers(path, kind):
            path.unlink()
    listener = sockets.socket(sockets.AF_UNIX, kind)
    before = os.umask(0o777 - mode)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _answers(path: Path, kind: int) -> bool:
    with sockets.socket(sockets.AF_UNIX, kind) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _path_of(listener: sockets.socket) -> Path | None:
    """Where it listens, as far as that is a path."""
    address = listener.getsockname()
    return Path(address) if isinstance(address, str) and address else None


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _remove(path: Path, ours: tuple[int, int], listeners: Listeners) -> None:
    """Take the socket's name away, unless somebody else listens there by now."""
    with suppress(FileNotFoundError):
        if not listeners.handed_on and _identity(path) == ours:
            path.unlink()
