"""What a hand-written parser reads of a body: which fields, of which object.

Knows dicts and lists; must not know any surface.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

Fields = dict[str, set[str]]
"""For each place in a body, such as `messages[].content[]`, the names of the fields that are looked at there."""


class Watched(dict[str, Any]):
    """An object of JSON that notes which of its fields are asked for."""

    def __init__(self, fields: dict[str, Any], place: str, read: Fields) -> None:
        beneath = f"{place}." if place else ""
        super().__init__({name: watched(value, beneath + name, read) for name, value in fields.items()})
        self._read = read[place]

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as the base class has it
        """Note and return."""
        self._read.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - as the base class has it
        self._read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._read.add(str(name))
        return super().__contains__(name)


def watched(value: Any, place: str, read: Fields) -> Any:  # noqa: ANN401 - any JSON
    """Return `value` with every object in it watched."""
    if isinstance(value, dict):
        return Watched(value, place, read)
    if isinstance(value, list):
        return [watched(item, f"{place}[]", read) for item in value]
    return value


def fields_read(monkeypatch: pytest.MonkeyPatch, parse: Callable[[bytes], object], *bodies: bytes) -> Fields:
    """Return what `parse` looks at in `bodies`, each of which it has to accept."""
    read: Fields = defaultdict(set)
    surfaces = [module for name, module in sys.modules.items() if name.startswith("lingma_trio.api.")]
    for module in surfaces:
        if hasattr(module, "from_json"):
            monkeypatch.setattr(module, "from_json", lambda data, **more: watched(from_json(data, **more), "", read))
    for body in bodies:
        parse(body)
    return read
