"""Dataclasses that are made too often for being frozen to go unfelt.

A frozen one goes round its own refusal for each field that it sets, so it takes two to four times as long to make.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a dataclass of what each request, delta or push makes anew: frozen to the type checker, and nothing when it
    runs.

    It has slots and a hash. A frozen one can neither inherit from it nor be what it inherits from.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
