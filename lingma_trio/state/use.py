"""Where what was asked of gateways is kept over restarts, a month of it, counted by hour, key, model and outcome."""

from __future__ import annotations

from typing import Protocol

from lingma_trio.policy.use import Cell, Tally, Use


class UseNotKept(Exception):
    """The use cannot be written or read; the message says where, and why not."""


class UseKeeper(Protocol):
    """A place for the use of one gateway, or of several that add up."""

    @property
    def shared(self) -> bool:
        """Whether the use of other gateways is in it too."""
        ...

    async def add(self, number: int, use: Use) -> None:
        """Add what was counted. Each piece of it has its own `number`, from 1 on, of which the next one is larger.

        Raises `UseNotKept`. Whoever was not told that it worked, also by being cancelled, calls again with the same
        number and the same use, which is added once in all.
        """
        ...

    async def month(self) -> dict[Cell, Tally]:
        """The use of the last month. Raises `UseNotKept`."""
        ...
