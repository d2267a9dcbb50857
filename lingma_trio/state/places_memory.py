"""The places of a key where one gateway serves alone: the queue for its slots counts them already."""

from __future__ import annotations

from typing import Self


class FreeEntry:
    """The way in of whoever has a slot, which is all it takes."""

    rivals = 1

    def knock(self) -> None:
        """As `Entry.knock`."""

    async def come_in(self) -> bool:
        """As `Entry.come_in`, at once."""
        return True

    def beside(self) -> Self:
        """As `Entry.beside`."""
        return self

    def leave(self) -> None:
        """As `Entry.leave`."""


FREE = FreeEntry()
