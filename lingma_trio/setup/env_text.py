"""The notation of `.env` files: names, values, and when a value wants quotes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=~*-]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One variable, with the lines of comment that stand above it."""

    name: str
    value: str
    comment: str = ""


def written(head: str, entries: Iterable[Entry]) -> str:
    """The text of a file with these entries below `head`, each value as it will be read again.

    Raises `ValueError`, naming the variable, for a value that no line can hold.
    """
    lines = [*_commented(head), ""]
    for entry in entries:
        lines += [*_commented(entry.comment), f"{entry.name}={_quoted(entry)}"]
    return "\n".join(lines) + "\n"


def _commented(text: str) -> list[str]:
    return [f"# {line}" for line in text.splitlines()]


def _quoted(entry: Entry) -> str:
    if not entry.value or _PLAIN.fullmatch(entry.value):
        return entry.value
    if "\0" in entry.value:
        raise ValueError(f"{entry.name} holds a character that no file of settings can")
    escaped = entry.value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
