"""Who listens on a port of this machine, as far as this user may see it. Reads Linux's /proc and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LISTENS = "0A"  # the state of a listening socket in the kernel's tables
LONGEST_COMMAND = 80


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens. `command` is its command line, made printable and cut to what a line can hold."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.command})"


def holder_of(port: int) -> Holder | None:
    """The process that listens on the port; None where there is none, or where it is not shown. Waits for the disk."""
    wanted = {f"socket:[{inode}]" for inode in _listening(port)}
    if not wanted:
        return None
    for directory in PROC.glob("[0-9]*"):
        if wanted & set(_descriptors(directory)):
            return Holder(int(directory.name), _command(directory))
    return None


def _listening(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on the port."""
    for table in ("net/tcp", "net/tcp6"):
        with suppress(OSError):
            for line in (PROC / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _descriptors(directory: Path) -> Iterator[str]:
    with suppress(OSError):
        for descriptor in (directory / "fd").iterdir():
            with suppress(OSError):
                yield str(descriptor.readlink())


def _command(directory: Path) -> str:
    try:
        words = (directory / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
    except OSError:
        return "its command is not shown"
    text = "".join(letter if letter.isprintable() else " " for letter in " ".join(words))
    return text if len(text) <= LONGEST_COMMAND else f"{text[:LONGEST_COMMAND]}…"
