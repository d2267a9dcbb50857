"""KEYS_FILE on the disk: read, told apart from what it was before, and edited by one process at a time.

Knows the disk. What the text means is `document`'s business. Every function here waits for the disk, so a Trio task
calls it in a thread.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

from lingma_trio.keys.document import Form, KeysFault, check_beside, read
from lingma_trio.keys.key import ApiKey
from lingma_trio.private_files import write_private

LARGEST = 1024 * 1024
"""Bytes; a thousand entries with all their fields have a third of it."""

Mark: TypeAlias = tuple[int, ...]
"""Tells one state of a file from another."""


@dataclass(frozen=True, slots=True)
class KeysOnDisk:
    """What the file held when it was read. `exposed` says that others than its owner can read it; `edition` tells its
    text from any other.
    """

    keys: tuple[ApiKey, ...]
    mark: Mark
    edition: str
    exposed: bool


def form_of(path: Path) -> Form:
    """How the file is written: JSON where its name ends so, else YAML."""
    return "json" if path.suffix.lower() == ".json" else "yaml"


def mark_of(path: Path) -> Mark:
    """The state of the file; empty where there is none that can be looked at."""
    try:
        return _mark(path.stat())
    except OSError:
        return ()


def read_keys(path: Path) -> KeysOnDisk:
    """Read the file. Raises `KeysFault` with all that is wrong with it."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())  # first: what is written meanwhile gives the file another mark
            content = file.read(LARGEST + 1)
    except OSError as fault:
        raise KeysFault(f"{path} cannot be read ({fault.strerror})") from None
    if len(content) > LARGEST:
        raise KeysFault(f"{path} is larger than {LARGEST} bytes")
    keys = read(_text(path, content), form_of(path))
    return KeysOnDisk(keys, _mark(status), _edition(content), _is_exposed(status))


def edit(path: Path, change: Callable[[str, Form], str], fixed: Iterable[ApiKey] = ()) -> str:
    """Put what `change` makes of the file's text in its place, for its owner alone; a missing file is an empty text.
    Returns the edition of the new text.

    Two edits at once come one after the other. A link stays, and the file that it leads to is replaced. Raises
    `KeysFault`, also where a gateway with the `fixed` keys would not take the outcome.
    """
    path = path.resolve()
    try:
        with _locked(path.parent):
            content = path.read_bytes() if path.exists() else b""
            text = change(_text(path, content), form_of(path))
            check_beside(fixed, read(text, form_of(path)))
            write_private(path, text.encode(), keep_owner=True)
    except OSError as fault:
        raise KeysFault(f"{path} cannot be written ({fault.strerror})") from None
    return _edition(text.encode())


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the directory: the file itself is replaced, so a lock on it would be on what it was."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KeysFault(f"{path} is no UTF-8 text") from None


def _edition(content: bytes) -> str:
    return sha256(content).hexdigest()


def _mark(status: os.stat_result) -> Mark:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_exposed(status: os.stat_result) -> bool:
    return bool(status.st_mode & (stat.S_IRGRP | stat.S_IROTH))
