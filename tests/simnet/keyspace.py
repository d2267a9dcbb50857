"""The keys of a store's server, their values and their ends. Knows no command, and is told the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from typing import TypeAlias

Value: TypeAlias = "bytes | dict[bytes, bytes] | set[bytes] | Scores"
Reply: TypeAlias = "bytes | int | list[Reply] | None"

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


class CommandError(Exception):
    """What the server answers to a command that it does not carry out."""


class Scores(dict[bytes, float]):
    """A sorted set."""

    def ordered(self) -> list[tuple[bytes, float]]:
        """Members with their scores, the lowest first, and of equals by their bytes."""
        return sorted(self.items(), key=lambda item: (item[1], item[0]))


class Keyspace:
    """Every key with its value and its end."""

    def __init__(self) -> None:
        self.values: dict[bytes, Value] = {}
        self.ends: dict[bytes, int] = {}
        """When they expire, in milliseconds."""
        self.touched: dict[bytes, None] = {}
        """Keys that were written since somebody last cleared this: what replicas have to be told."""
        self._now = 0

    def __repr__(self) -> str:
        return f"<Keyspace {len(self.values)} keys>"

    def begin(self, now: int) -> None:
        """Have it be so many milliseconds."""
        self._now = now

    def copy_of(self, key: bytes) -> tuple[Value | None, int | None]:
        """The value of a key and its end, for a replica."""
        return copy(self.values.get(key)), self.ends.get(key)

    def replace(self, key: bytes, value: Value | None, end: int | None) -> None:
        """Have that value under a key, or nothing."""
        self._remove(key)
        if value is not None:
            self.values[key] = value
            if end is not None:
                self.ends[key] = end

    # What commands are made of.

    def there(self, key: bytes) -> bool:
        """Whether there is such a key now."""
        end = self.ends.get(key)
        if end is not None and end <= self._now:
            self._remove(key)
            self.touched[key] = None
        return key in self.values

    def drop(self, key: bytes) -> int:
        """Remove a key; returns how many that were."""
        found = self.there(key)
        if found:
            self._remove(key)
            self.touched[key] = None
        return int(found)

    def text(self, key: bytes) -> bytes | None:
        """A string, or None."""
        value = self.values[key] if self.there(key) else None
        if value is not None and not isinstance(value, bytes):
            raise CommandError(WRONG_TYPE)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Write a string, and leave its end as it is."""
        self.values[key] = value
        self.touched[key] = None

    def fields(self, key: bytes, *, write: bool = False) -> dict[bytes, bytes]:
        """A hash."""
        if self.there(key):
            value = self.values[key]
            if not isinstance(value, dict) or isinstance(value, Scores):
                raise CommandError(WRONG_TYPE)
        else:
            value = {}
            if write:
                self.values[key] = value
        self._note(key, write=write)
        return value

    def scores(self, key: bytes, *, write: bool = False) -> Scores:
        """A sorted set."""
        if self.there(key):
            value = self.values[key]
            if not isinstance(value, Scores):
                raise CommandError(WRONG_TYPE)
        else:
            value = Scores()
            if write:
                self.values[key] = value
        self._note(key, write=write)
        return value

    def members(self, key: bytes, *, write: bool = False) -> set[bytes]:
        """A set."""
        if self.there(key):
            value = self.values[key]
            if not isinstance(value, set):
                raise CommandError(WRONG_TYPE)
        else:
            value = set()
            if write:
                self.values[key] = value
        self._note(key, write=write)
        return value

    def tidy(self, key: bytes) -> None:
        """Remove a collection that holds nothing any more."""
        if not self.values.get(key, b"-"):
            self._remove(key)

    def end_at(self, key: bytes, end: int) -> int:
        """Have a key expire at that time; returns whether there is one."""
        if not self.there(key):
            return 0
        self.touched[key] = None
        self.ends[key] = end
        self.there(key)
        return 1

    def left(self, key: bytes) -> int:
        """Milliseconds that a key has left: -1 without an end, -2 without a key."""
        if not self.there(key):
            return -2
        end = self.ends.get(key)
        return -1 if end is None else end - self._now

    @property
    def now(self) -> int:
        """The time of the command that is being carried out."""
        return self._now

    def _note(self, key: bytes, *, write: bool) -> None:
        if write:
            self.touched[key] = None

    def _remove(self, key: bytes) -> None:
        self.values.pop(key, None)
        self.ends.pop(key, None)


Command: TypeAlias = Callable[[Keyspace, list[bytes]], Reply]


def number(text: bytes) -> float:
    """A score or the end of a range."""
    try:
        return float(text)
    except ValueError:
        raise CommandError("ERR value is not a valid float") from None


def whole(text: bytes) -> int:
    """A number that is counted on, which has one spelling. Raises ValueError for any other."""
    if b"%d" % int(text) != text:
        raise ValueError(text)
    return int(text)


def written(value: float) -> bytes:
    """A number as the server writes it."""
    if math.isinf(value):
        return b"inf" if value > 0 else b"-inf"
    return b"%d" % value if value == int(value) and abs(value) < 1e17 else f"{value:.17g}".encode()


def bounds(first: bytes, last: bytes, size: int) -> tuple[int, int]:
    """A range of places, of which both ends count and negative ones from the end, as a slice's."""
    start, stop = int(first), int(last)
    start = max(0, start + size if start < 0 else start)
    stop = stop + size if stop < 0 else stop
    return start, max(start, stop + 1)
