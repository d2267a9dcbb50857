"""Keeps the use of all gateways in the store that they share, a hash for each day, which ends by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from pydantic_core import from_json, to_json

from lingma_trio.errors import StateDown
from lingma_trio.policy.use import DAYS, Cell, Tally, Use, first_hour
from lingma_trio.state.batches import batches
from lingma_trio.state.link import Call, Link
from lingma_trio.state.use import UseNotKept
from lingma_trio.threads import apart

DAY: Final = 24 * 3600
AT_ONCE: Final = 500
"""Counts in one call: the server serves others in between."""

CALLS_AT_ONCE: Final = 4
MOST_CALLS: Final = 1000
"""Calls for the counts of one number, and more than there ever are."""


class StoreUse:
    """A `UseKeeper` in a store. `boot` tells this gateway from all others, and from itself before its last start."""

    shared = True

    def __init__(self, link: Link, boot: str) -> None:
        self._link = link
        self._last = f"lt:{{use}}:last:{boot}"

    def __repr__(self) -> str:
        return f"<StoreUse of {self._link!r}>"

    async def add(self, number: int, use: Use) -> None:
        """Add what was counted. Raises `UseNotKept`; cancelling may leave it added, which sending it again finds."""
        for calls in batches(self._adding(number, use), CALLS_AT_ONCE):
            await self._trip(*calls)

    async def month(self) -> dict[Cell, Tally]:
        """The use of the last month. Raises `UseNotKept`."""
        today = int(time.time() // DAY)
        places = [(day, b"0") for day in range(today - DAYS, today + 1)]
        flat: list[bytes] = []
        while places:
            asked, places = places[:CALLS_AT_ONCE], places[CALLS_AT_ONCE:]
            replies = await self._trip(*[self._call(day, "read", cursor, AT_ONCE) for day, cursor in asked])
            for (day, _), (cursor, found) in zip(asked, replies, strict=True):
                flat += found
                if cursor != b"0":
                    places.append((day, cursor))
        return await apart(sum(map(len, flat)), _read, flat, first_hour(time.time()))

    def _adding(self, number: int, use: Use) -> Iterator[Call]:
        """The same calls for the same use, whenever it is sent."""
        at = number * MOST_CALLS
        for day, cells in groupby(sorted(use), key=lambda cell: cell.hour * 3600 // DAY):
            for batch in batches(cells, AT_ONCE):
                counts = [part for cell in batch for part in (_field(cell), *_values(use[cell]))]
                yield self._call(day, "add", at, (day + 1 + DAYS) * DAY * 1000, *counts)
                at += 1

    def _call(self, day: int, act: str, *args: str | int | bytes) -> Call:
        return Call("use", (self._last, f"lt:{{use}}:day:{day}"), (act, *args))

    async def _trip(self, *calls: Call) -> list[Any]:
        try:
            return await self._link.trip(*calls)
        except StateDown as fault:
            raise UseNotKept(f"STATE_URL: {fault}") from fault


def _field(cell: Cell) -> bytes:
    return to_json((cell.hour, cell.key, cell.model, cell.outcome))


def _values(tally: Tally) -> tuple[int, int, int]:
    return tally.requests, tally.prompt_tokens, tally.answer_tokens


def _read(flat: list[bytes], oldest: int) -> dict[Cell, Tally]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    use = {Cell(*from_json(field)): Tally(*map(int, value.split())) for field, value in pairs}
    return {cell: tally for cell, tally in use.items() if cell.hour >= oldest}
