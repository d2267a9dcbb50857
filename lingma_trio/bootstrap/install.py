"""Puts the two executables where the gateway runs them from, and keeps the ones that worked.

Knows one directory: the executables, the previous ones, a record of where they came from, and a scratch directory.
Waits for the disk, so a Trio task calls it in a thread.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json, to_json

from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.unpack import HELPER, PROGRAM

RECORD = ".lingma-install.json"
SCRATCH = ".lingma-bootstrap"
PREVIOUS = ".previous"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a package came from. `version` is the marketplace's name for it and `etag` the server's, or empty."""

    url: str = ""
    version: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Binary:
    """The executable at `path`, with the SHA-256 of what is in it, in hexadecimal.

    `origin` is None for a binary that somebody else put there. One of ours is `intact` if it and the helper beside it
    are what was installed together.
    """

    path: Path
    digest: str
    origin: Origin | None = None
    intact: bool = True


def inspect(path: Path) -> Binary | None:
    """The binary at `path` as it is, or None if there is no file. Raises `OSError`."""
    if not path.is_file():
        return None
    digest = digest_of(path)
    record = path.with_name(RECORD)
    if not record.exists():
        return Binary(path, digest)
    helper = path.with_name(HELPER)
    digests = [digest, digest_of(helper) if helper.is_file() else ""]
    origin, recorded = _read_record(record)
    return Binary(path, digest, origin, intact=digests == recorded)


def install(staged: Path, path: Path, origin: Origin, *, expected: str = "") -> Binary:
    """Move `Lingma` and `LingmaLocal` from the directory `staged`, on the same disk, to `path` and beside it.

    Each is replaced at once, so that a start finds the old or the new one and never half of one; those that were there
    stay as `<name>.previous`. An installation that is cut short between the two shows as not `intact`. Raises
    `BootstrapFault` when `Lingma` has not the digest `expected`, if one is given, and then leaves all as it is;
    `OSError` when the disk fails.
    """
    names = {PROGRAM: path, HELPER: path.with_name(HELPER)}
    digests = {name: digest_of(staged / name) for name in names}
    if expected and digests[PROGRAM] != expected:
        raise BootstrapFault(
            f"the package's {PROGRAM} has the SHA-256 {digests[PROGRAM]}, and LINGMA_SHA256 is {expected}"
        )
    for name in names:
        (staged / name).chmod(0o755)
        _sync(staged / name)
    for name in (HELPER, PROGRAM):
        if names[name].is_file() and digest_of(names[name]) != digests[name]:
            _keep(names[name], staged)
        (staged / name).replace(names[name])
    _sync(path.parent)
    record = staged / RECORD
    record.touch(mode=0o600)  # an address can have a password in it
    record.write_bytes(to_json({"url": origin.url, "version": origin.version, "etag": origin.etag} | digests, indent=2))
    record.replace(path.with_name(RECORD))
    return Binary(path, digests[PROGRAM], origin)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A directory beside `path` for this process alone, which outlives the block so that a download can go on.

    Raises `BootstrapFault` where another process fetches the same binary at this moment, or the directory cannot be
    written to.
    """
    directory = path.with_name(SCRATCH)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (directory / "lock").open("w")
    except OSError as fault:
        raise BootstrapFault(
            f"{path.parent} cannot be written to ({fault.strerror}); set LINGMA_BIN elsewhere"
        ) from fault
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BootstrapFault(f"another process fetches {path} at this moment") from None
        yield directory


def _keep(path: Path, staged: Path) -> None:
    """Give a file its second name, without a moment in which it has none."""
    spare = staged / f"{path.name}{PREVIOUS}"
    try:
        spare.hardlink_to(path)
    except OSError:  # a file system without links
        shutil.copy2(path, spare)
    spare.replace(path.with_name(spare.name))
    spare.unlink(missing_ok=True)  # renaming one name of a file to another name of it does nothing


def _read_record(record: Path) -> tuple[Origin, list[str]]:
    """What was noted of the last installation; of a record that says nothing, an origin that is like no other."""
    try:
        noted = from_json(record.read_bytes())
    except ValueError:
        noted = None
    texts = noted if isinstance(noted, dict) else {}
    url, version, etag, program, helper = (
        text if isinstance(text := texts.get(key), str) else "" for key in ("url", "version", "etag", PROGRAM, HELPER)
    )
    return Origin(url, version, etag), [program, helper]


def _sync(path: Path) -> None:
    """Make sure that a file's content, or the names in a directory, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
