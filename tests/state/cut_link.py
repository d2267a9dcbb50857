"""A way to the store that notes what goes over it, and that a test may cut."""

from __future__ import annotations

from typing import Any

from lingma_trio.errors import StateDown
from lingma_trio.state.link import Budget, Call, Link, NotRun

PATIENCE = 20.0  # seconds for a trip on a machine that has other things to do


class CutLink:
    """The `link`, as long as it is neither `cut`, so that nothing is tried, nor `deaf`, so that replies are lost, nor
    `full`, so that every call is refused.

    Each trip has PATIENCE, so that no loaded machine makes the store down, and takes `takes` seconds of its request's
    budget. `trips` has the scripts of each.
    """

    def __init__(self, link: Link, *, replicas: int = 0) -> None:
        self._link = link
        self.replicas = replicas
        self.cut = False
        self.deaf = False
        self.full = False
        self.takes = 0.0
        self.trips: list[list[str]] = []

    @property
    def up(self) -> bool:
        """Link's."""
        return self._link.up and not self.cut

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        """Link's."""
        if self.cut:
            raise NotRun
        self.trips.append([call.script for call in calls])
        if self.takes and budget is not None:
            budget.spend(self.takes)
            if not budget.left:
                raise StateDown("the request has waited for long enough")
        if self.full:
            raise NotRun
        replies = await self._link.trip(*calls, budget=Budget(PATIENCE))
        if self.deaf:
            raise StateDown("the reply is lost")
        return replies
