"""Other names for models, as the operator gives them.

Knows names only; must not know which models there are, nor what becomes of a name that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Alias(NamedTuple):
    """A name, as it is shown, and the model that it stands for, by key or display name."""

    name: str
    model: str


class Aliases:
    """A table of names. It is read without regard to case, and goes before the models' own names."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._table = {name.casefold(): Alias(name, model) for name, model in pairs}

    def __repr__(self) -> str:
        return f"<Aliases {len(self._table)}>"

    @property
    def listed(self) -> tuple[Alias, ...]:
        """Every alias, in the operator's order."""
        return tuple(self._table.values())

    def find(self, requested: str) -> Alias | None:
        """The alias that `requested` means, or None. It may have providers in front of it, as in `anthropic/claude`."""
        wanted = requested
        while wanted:
            if (alias := self._table.get(wanted.strip().casefold())) is not None:
                return alias
            wanted = wanted.partition("/")[2]
        return None

    def model(self, requested: str) -> str:
        """The model that `requested` stands for, which is itself where it is no alias. A model is no alias in turn."""
        alias = self.find(requested)
        return requested if alias is None else alias.model
