"""Files that hold secrets: written for their owner alone, whole or not at all, safe from a power cut and from links.

Knows the disk and nothing of what is written. Every function here waits for the disk, so a Trio task calls it in a
thread.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory


def write_private(path: Path, content: bytes, *, keep_owner: bool = False) -> None:
    """Write a file that only its owner can read, whole or not at all, over whatever stood there.

    The owner is this user or, with `keep_owner`, whoever owned what stood there. Raises `OSError`.
    """
    with TemporaryDirectory(prefix=".lingma-trio-", dir=path.parent) as staging:
        staged = Path(staging) / "content"
        write_new(staged, content)
        if keep_owner:
            with suppress(FileNotFoundError):
                before = path.stat()
                os.chown(staged, before.st_uid, before.st_gid)
        staged.replace(path)
    sync_directory(path.parent)


def ask_no_phrase() -> str:
    """Is asked for a key's phrase in place of the terminal, where nobody sits. Raises `OSError`, with the remedy."""
    raise OSError("the key is encrypted; keep it without a phrase, readable by this user alone: openssl pkey")


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, for this user alone. Raises `OSError`, and then there is none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()
        raise


def check_owner(directory: Path) -> None:
    """See that the directory is this user's or root's: whoever else has it may lay links and notes there that lead us
    anywhere. Raises `OSError`.
    """
    owner = directory.stat().st_uid
    if owner not in {os.geteuid(), 0}:
        raise PermissionError(errno.EPERM, f"it belongs to the user {owner}, and this is {os.geteuid()}")


def open_unlinked(path: Path, flags: int) -> int:
    """Open a file that is no link; returns the descriptor. A new one is for this user alone. Raises `OSError`."""
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o600)
    except OSError as fault:
        if fault.errno != errno.ELOOP:
            raise
        linked = OSError(errno.ELOOP, f"{path.name} in it is a symbolic link, which is not followed")
    raise linked


def sync_directory(directory: Path) -> None:
    """Make sure that names which were given in the directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
