"""Other names for models, as the operator gives them, and patterns of such names.

Knows names only; must not know which models there are, nor what becomes of a name that nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

ANY: Final = "*"


class Alias(NamedTuple):
    """A name, as it is shown, and the model that it stands for, by key or display name."""

    name: str
    model: str


class Aliases:
    """A table of names. It is read without regard to case, and goes before the models' own names.

    A name with a `*` in it is a pattern, in which each stands for any text, also for none. Patterns come after all
    names, the models' own as well, and among them the one with the most characters beside its stars; of two alike the
    operator's first.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        pairs = tuple(pairs)
        self._table = {name.casefold(): Alias(name, model) for name, model in pairs if ANY not in name}
        self.patterns = tuple(Alias(name, model) for name, model in pairs if ANY in name)
        patterns = ((name.casefold().split(ANY), model) for name, model in pairs if ANY in name)
        self._patterns = sorted(patterns, key=lambda pattern: -sum(map(len, pattern[0])))

    def __repr__(self) -> str:
        return f"<Aliases {len(self._table)} patterns={len(self._patterns)}>"

    @property
    def listed(self) -> tuple[Alias, ...]:
        """Every alias that is a name, in the operator's order."""
        return tuple(self._table.values())

    def find(self, requested: str) -> Alias | None:
        """The alias that `requested` means, or None. It may have providers in front of it, as in `anthropic/claude`."""
        if not self._table:
            return None
        return next((alias for name in _readings(requested) if (alias := self._table.get(name)) is not None), None)

    def match(self, requested: str) -> str | None:
        """The model whose pattern fits `requested`, with or without providers in front of it; None where none does."""
        if not self._patterns:
            return None
        names = tuple(_readings(requested))
        return next((model for pieces, model in self._patterns if any(_fits(pieces, name) for name in names)), None)

    def model(self, requested: str, *, known: Callable[[str], object]) -> str:
        """The model that `requested` stands for, which is itself where it is no alias. A model is no alias in turn.

        `known` tells a model's own name from others, by None.
        """
        alias = self.find(requested)
        if alias is not None:
            return alias.model
        found = self.match(requested) if self._patterns and known(requested) is None else None
        return requested if found is None else found


def _readings(requested: str) -> Iterator[str]:
    """The name as it is, and without the first of its providers, and so on."""
    wanted = requested
    while wanted:
        yield wanted.strip().casefold()
        wanted = wanted.partition("/")[2]


def _fits(pieces: list[str], name: str) -> bool:
    """Whether these pieces follow on each other in `name`, the first at its start and the last at its end.

    Each is looked for once, from where the one before ended, so nothing is tried twice.
    """
    first, *between, last = pieces
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    place, end = len(first), len(name) - len(last)
    for piece in between:
        found = name.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True
