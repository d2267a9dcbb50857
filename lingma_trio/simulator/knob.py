"""What a knob is: its value read from a `name=value` word, what it means, and how far it reaches.

Knows no knob; the sets of them are dataclasses that are made from `Turnable`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ENVIRONMENT: Final = "LINGMA_SIMULATOR"
"""The variable that carries knobs as `name=value,name=value` to a simulator that is launched as an ordinary binary."""


class KnobFault(ValueError):
    """A word that turns no knob; the message says which would."""


@dataclass(frozen=True, slots=True)
class OfProcess:
    """What a knob means that holds for the whole process."""

    meaning: str


@dataclass(frozen=True, slots=True)
class OfAnswer:
    """What a knob means that can be set for the process and also for one answer."""

    meaning: str


@dataclass(frozen=True, slots=True)
class Turnable:
    """A frozen set of knobs: every field is annotated with what it means, `OfProcess` or `OfAnswer`."""

    def turned(self, words: Iterable[str]) -> Self:
        """Return these knobs with each `name=value` of `words` applied, later ones winning.

        Raises KnobFault for a word without `=`, an unknown name, or a value the knob does not take.
        """
        return self._with(words, _knobs_of(type(self)))

    def turned_for_answer(self, words: Iterable[str]) -> Self:
        """As `turned`, for one answer: only the knobs that reach no further than an answer may be named."""
        knobs = _knobs_of(type(self)).items()
        return self._with(words, {name: knob for name, knob in knobs if isinstance(knob.about, OfAnswer)})

    def _with(self, words: Iterable[str], allowed: Mapping[str, _Knob]) -> Self:
        changes: dict[str, Any] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or name not in allowed:
                raise KnobFault(f"{word!r} turns no knob; use name=value with one of {', '.join(allowed)}")
            changes[name] = allowed[name].read(value)
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class _Knob:
    """How a knob's value is read and described."""

    name: str
    kind: object
    default: object
    about: OfProcess | OfAnswer

    def __str__(self) -> str:
        reach = ", also for one answer" if isinstance(self.about, OfAnswer) else ""
        default = int(self.default) if isinstance(self.default, bool) else self.default
        return f"{self.name}={self.values} (default {default}{reach}): {self.about.meaning}"

    @property
    def values(self) -> str:
        """The values the knob takes, for people."""
        if get_origin(self.kind) is Literal:
            return "|".join(get_args(self.kind))
        return {bool: "0|1", int: "N", float: "SECONDS", str: "TEXT"}[cast("type", self.kind)]

    def read(self, value: str) -> object:
        """Return what `value` stands for; raises KnobFault when the knob does not take it."""
        try:
            return self._read(value)
        except ValueError as fault:
            raise KnobFault(f"{self.name}={value} is not possible; {self.name} takes {self.values}") from fault

    def _read(self, value: str) -> object:
        if get_origin(self.kind) is Literal:
            return _one_of(value, get_args(self.kind))
        if self.kind is bool:
            return _one_of(value, ("0", "1")) == "1"
        if self.kind is str:
            return value
        return _not_negative(int(value) if self.kind is int else float(value))


def environment_words(value: str) -> list[str]:
    """Return the words in the value of the environment variable, without blanks and empty ones."""
    return [word.strip() for word in value.split(",") if word.strip()]


def describe_knobs(knobs: type[Turnable]) -> str:
    """Return one line for each knob of a set: its name, its values, its default and what it means."""
    return "\n".join(map(str, _knobs_of(knobs).values()))


def _one_of(value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(value)
    return value


def _not_negative(number: float) -> float:
    if not math.isfinite(number) or number < 0:
        raise ValueError(number)
    return number


_READ: Final[dict[type[Turnable], Mapping[str, _Knob]]] = {}


def _knobs_of(knobs: type[Turnable]) -> Mapping[str, _Knob]:
    found = _READ.get(knobs)
    if found is None:
        found = _READ[knobs] = dict(_read_knobs(knobs))
    return found


def _read_knobs(knobs: type[Turnable]) -> Iterator[tuple[str, _Knob]]:
    kinds = get_type_hints(knobs, include_extras=True)
    for knob in fields(knobs):
        kind, about = get_args(kinds[knob.name])
        yield knob.name, _Knob(knob.name, kind, knob.default, about)
