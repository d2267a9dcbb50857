"""A model as every surface's list has it.

Knows what is told of a model; must not know any surface's names for that.
"""

from __future__ import annotations

from typing import NamedTuple


class ListedModel(NamedTuple):
    """A model by the name it is asked by, with what people call it, and how many tokens it reads, None if nobody says.

    How many it writes Lingma does not report of any. `sees` says whether it takes pictures, `reasons` whether it shows
    its reasoning.
    """

    id: str
    name: str
    max_input_tokens: int | None = None
    sees: bool = False
    reasons: bool = False
