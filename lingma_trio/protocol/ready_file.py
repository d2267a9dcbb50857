"""Reads the file in which a Lingma says that it listens, and where.

Knows the file's two forms and the places it is found in. Must not know how files are read, nor whether the process
it names is alive or ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import from_json

CANDIDATES: tuple[str, ...] = (
    ".info",
    ".info.json",
    "sharedClientCache/.info",
    "sharedClientCache/.info.json",
    "SharedClientCache/.info",
    "SharedClientCache/.info.json",
    "cache/.info",
)
"""Every place under a work directory where a build is known to put the file, likeliest first (protocol reference)."""

_MAX_PORT = 65_535
_MAX_PID = 2**31 - 1
_MAX_DIGITS = 10  # of either number; Python refuses to convert some thousands


@dataclass(frozen=True, slots=True)
class ReadyFile:
    """What a ready file says: the WebSocket's TCP port on loopback, and the id of the process that listens there."""

    port: int
    pid: int


def parse(text: str) -> ReadyFile | None:
    """Return what the file says, or None while it is not complete. Never raises: half a file is read every day.

    Either form is accepted under either name (protocol reference): lines with the port and the pid, where blank lines
    and whatever follows do not matter, or a JSON object with `websocketPort` and `pid`. A pid that is cut short by a
    write under way cannot be told from a whole one here: compare it with the process that was started.
    """
    text = text.removeprefix("\ufeff").strip()
    port, pid = _numbers_of_object(text) if text.startswith("{") else _numbers_of_lines(text)
    if 0 < port <= _MAX_PORT and 0 < pid <= _MAX_PID:
        return ReadyFile(port=port, pid=pid)
    return None


def _numbers_of_lines(text: str) -> tuple[int, int]:
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    return (_number(lines[0]), _number(lines[1])) if len(lines) > 1 else (0, 0)


def _numbers_of_object(text: str) -> tuple[int, int]:
    try:
        content = from_json(text.encode("utf-8", "replace"))
    except ValueError:
        return 0, 0
    return _number(content.get("websocketPort")), _number(content.get("pid"))


def _number(value: object) -> int:
    """A whole number, or decimal digits for one; 0, which is neither a port nor a pid, for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
