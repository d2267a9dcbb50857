"""A note of the gateway that runs for a folder, so that commands in it find that gateway however it was started.

`serve` may be told another port, the simulator or another file on its command line, which no later command can know.
The note holds that and no secret, for this user alone, and counts as long as the gateway's process holds its lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from io import FileIO
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from lingma_trio.private_files import check_owner, open_unlinked

LONGEST = 16 * 1024


class Note(BaseModel):
    """How the gateway of a folder was started: the settings' file, and the variables that go before everything."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    env_file: str
    overrides: dict[str, str]


@contextmanager
def leave_note(folder: Path, note: Note, environ: Mapping[str, str]) -> Iterator[None]:
    """Have the note found for the length of the block.

    Where there is no place for it, or another gateway of this folder has left one, nothing is left and nothing is said.
    """
    descriptor = _taken(folder, environ)
    if descriptor is None:
        yield
        return
    with FileIO(descriptor, "r+") as file:
        with suppress(OSError):  # a full disk has room for half a note at the most, which is read as none
            file.truncate(0)
            file.write(note.model_dump_json().encode())
        try:
            yield
        finally:
            with suppress(OSError):
                file.truncate(0)


def find_note(folder: Path, environ: Mapping[str, str]) -> Note | None:
    """The note of a gateway that runs for the folder, or None."""
    place = _place(folder, environ)
    if place is None:
        return None
    with suppress(OSError, ValueError), os.fdopen(open_unlinked(place, os.O_RDONLY), encoding="utf-8") as file:
        check_owner(place.parent)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Note.model_validate_json(file.read(LONGEST))
    return None


def door_of(folder: Path, environ: Mapping[str, str]) -> Path | None:
    """Where the gateway of the folder can be asked to hand over to another one: beside its note. None where there is no
    place for that.
    """
    place = _place(folder, environ)
    return None if place is None else place.with_suffix(".sock")


def _taken(folder: Path, environ: Mapping[str, str]) -> int | None:
    """The descriptor of the note, with its lock held."""
    place = _place(folder, environ)
    if place is None:
        return None
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_owner(place.parent)
        descriptor = open_unlinked(place, os.O_RDWR | os.O_CREAT)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _place(folder: Path, environ: Mapping[str, str]) -> Path | None:
    home = environ.get("HOME", "")
    state = environ.get("XDG_STATE_HOME", "")
    if not state.startswith("/"):  # as the specification has it
        state = f"{home}/.local/state" if home.startswith("/") and home.strip("/") else ""
    if not state:
        return None
    name = blake2b(os.fsencode(folder.resolve()), digest_size=12).hexdigest()
    return Path(state) / "lingma-trio" / "gateways" / f"{name}.json"
