"""Reads what Lingma tells of what an account may use: its kind, a quota and a plan.

The shape of `user/plan` is documented nowhere, and some builds answer it with an error: what single values are in it is
told under their own names, whatever they mean, and the rest is passed over. Must not know JSON-RPC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeGuard

from lingma_trio.protocol.fields import string

Fact: TypeAlias = str | int | float | bool

MOST_FACTS: Final = 32
MOST_CHARACTERS: Final = 100  # of a name, and of a text
LARGEST: Final = 10**15  # of a number; one that is none is not below it either
_MAX_DEPTH: Final = 3
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_PRIVATE: Final = re.compile(
    r"token|secret|password|key$|mail|phone|mobile|avatar|url|^(id|uid|yxuid)$|userid", re.IGNORECASE
)
_ENVELOPE: Final = frozenset(
    {"success", "isSuccess", "errorCode", "errorMsg", "errorMessage", "requestId", "messageId"}
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an account may use, in Lingma's words. Whatever it does not tell is empty or None.

    `kind` is such as `personal_standard`; in which unit `quota` counts is not known. `plan` holds single values by
    their names, a dot between the names of objects within objects.
    """

    kind: str = ""
    quota: int | float | None = None
    plan: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def numbers(self) -> dict[str, float]:
        """All that is a number, by its name."""
        told = {"quota": self.quota, **self.plan}
        return {name: float(value) for name, value in told.items() if _is_number(value)}

    @property
    def words(self) -> tuple[str, ...]:
        """All of it for people, each thing for itself; nothing where Lingma told nothing."""
        told = {"quota": self.quota, **self.plan}
        facts = (f"{name} {_plain(value)}" for name, value in told.items() if value is not None)
        return (*filter(None, (self.kind,)), *facts)


def read_kind(status: object) -> tuple[str, int | float | None]:
    """Kind and quota in the result of `auth/status`. Never raises."""
    if not isinstance(status, dict):
        return "", None
    quota = status.get("quota")
    return _clean(string(status, "userType")), quota if _is_number(quota) else None


def read_plan(result: object) -> Mapping[str, Fact]:
    """The single values in the result of `user/plan`, MOST_FACTS at the most. Never raises.

    What looks private is left out, and so is what says that the call itself went well.
    """
    found = result.get("data", result) if isinstance(result, dict) else None
    facts = _facts(found, "", _MAX_DEPTH) if isinstance(found, dict) else iter(())
    return MappingProxyType(dict(islice(facts, MOST_FACTS)))


def _facts(values: Mapping[Any, Any], within: str, depth: int) -> Iterator[tuple[str, Fact]]:
    for name, value in values.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or _PRIVATE.search(name) or name in _ENVELOPE:
            continue
        path = f"{within}{name}"
        if isinstance(value, dict) and depth > 1:
            yield from _facts(value, f"{path}.", depth - 1)
        elif isinstance(value, bool) or _is_number(value):
            yield path, value
        elif isinstance(value, str) and (text := _clean(value)):
            yield path, text


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _clean(text: str) -> str:
    """The text on one line, cut, without what no screen shows."""
    visible = "".join(character if character.isprintable() else " " for character in text[:MOST_CHARACTERS])
    return " ".join(visible.split())


def _plain(value: Fact) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
