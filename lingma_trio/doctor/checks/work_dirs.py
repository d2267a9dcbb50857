"""Whether each instance's work directory is there, private, writable, and this user's."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site
from lingma_trio.lingma.options import InstanceOptions

NAME = "work directory"
OTHERS = 0o077


def check_work_dirs(site: Site) -> Iterator[Finding]:
    """A finding for each instance, or more where more is wrong."""
    for options in site.fleet:
        yield from _check_one(options, site.holders.get(options.name))


def stranger(work_dir: Path) -> str | None:
    """Whose the directory is, or the nearest one above it that is there; None where it is this user's.

    What is run there for a trial would leave files that the gateway's own user cannot write. Raises `OSError`.
    """
    owner = _nearest(work_dir).stat().st_uid
    return None if owner == os.geteuid() else _user(owner)


def _check_one(options: InstanceOptions, holder: str | None) -> Iterator[Finding]:
    directory = options.work_dir
    quoted = shlex.quote(str(directory))
    try:
        if not directory.exists():
            yield _missing(directory)
            return
        if not directory.is_dir():
            yield Finding(NAME, "fault", f"{directory} is no directory", "set LINGMA_WORK_DIR to another one")
            return
        status = directory.stat()
    except OSError as error:
        yield Finding(NAME, "fault", f"{directory} cannot be looked at ({error.strerror})", "set LINGMA_WORK_DIR")
        return
    faults = []
    if not os.access(directory, os.W_OK | os.X_OK):
        what = f"{directory} belongs to {_user(status.st_uid)} and is not writable for {_user(os.geteuid())}"
        faults.append(Finding(NAME, "fault", what, f"chown -R {_user(os.geteuid())} {quoted}, or set LINGMA_WORK_DIR"))
    elif status.st_uid != os.geteuid():
        what = f"{directory} belongs to {_user(status.st_uid)}, and this is {_user(os.geteuid())}"
        faults.append(Finding(NAME, "warning", what, "run the gateway and this command as one and the same user"))
    if status.st_mode & OTHERS:
        what = f"{directory}, which holds a login, is open to others (mode {stat.S_IMODE(status.st_mode):o})"
        faults.append(Finding(NAME, "warning", what, f"chmod 700 {quoted}"))
    yield from faults
    if not faults:
        use = f"in use by the gateway with pid {holder}" if holder else "free"
        yield Finding(NAME, "fine", f"{directory} is writable, private and {use}")


def _missing(directory: Path) -> Finding:
    above = _nearest(directory)
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return Finding(NAME, "fine", f"{directory} will be made at the first start")
    what = (
        f"{directory} is not there and cannot be made: {above} is not a directory that {_user(os.geteuid())} can write"
    )
    made = f"install -d -m 700 -o {_user(os.geteuid())} {shlex.quote(str(directory))}"
    return Finding(NAME, "fault", what, f"{made} as root, or set LINGMA_WORK_DIR")


def _nearest(directory: Path) -> Path:
    """The directory, or the nearest thing above it that is there."""
    return next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
