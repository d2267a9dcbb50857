"""One request's trips to the store, of which there are to be few: what can wait goes along with the next one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import trio

from lingma_trio.errors import StateDown
from lingma_trio.state.link import REQUEST_BUDGET, Budget, Call, Link, NotRun

LAST_WORD = 2 * REQUEST_BUDGET
"""Seconds that the last trip is shielded for: more than the budget lets it take."""

Read: TypeAlias = Callable[[Any], None]


def _nothing(reply: Any = None) -> None:  # noqa: ANN401 - whatever a script returns
    """Take no notice."""


@dataclass(frozen=True, slots=True, eq=False)
class Rider:
    """A call that goes along: its reply is given to `read`, or `lost` is called where nobody knows whether it ran, and
    `unrun` where it did not.
    """

    call: Call
    read: Read = _nothing
    lost: Callable[[], None] = _nothing
    unrun: Callable[[], None] = _nothing


class Trips:
    """The trips of one request over `link`, which waits for all of them together no longer than its budget."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.budget = Budget()
        """What is left of it, for what goes to the store for the same request by itself."""
        self._riders: list[Rider] = []

    def __repr__(self) -> str:
        return f"<Trips riders={len(self._riders)} left={self.budget.left:.3f}>"

    @property
    def up(self) -> bool:
        """Whether the store is tried at all."""
        return self._link.up

    @property
    def due(self) -> bool:
        """Whether something waits for a trip."""
        return bool(self._riders)

    def ride(
        self,
        call: Call,
        read: Read = _nothing,
        lost: Callable[[], None] = _nothing,
        unrun: Callable[[], None] | None = None,
    ) -> Rider:
        """Have `call` go along with the next trip; exactly one of the functions is called then, `lost` where there is
        no `unrun`. Never waits.
        """
        rider = Rider(call, read, lost, unrun or lost)
        self._riders.append(rider)
        return rider

    def withdraw(self, rider: Rider) -> None:
        """Have it not go along after all, where it has not gone yet; neither of its functions is called then."""
        if rider in self._riders:
            self._riders.remove(rider)

    async def go(self, *calls: Call) -> list[Any]:
        """Make a trip with what rides and then these calls; returns the replies to these. Raises as `Link.trip`.

        Cancelling: what was sent may have run; whoever rode is told that it is lost.
        """
        riders = self.unload()
        return (await carry(self._link, riders, calls, self.budget))[len(riders) :]

    async def finish(self) -> None:
        """Make the last trip, where anything rides, within the budget. Cancelling does not cut it short."""
        if self._riders:
            with trio.move_on_after(LAST_WORD, shield=True):
                try:
                    await self.go()
                except StateDown:
                    return  # which those who rode were told

    def unload(self) -> list[Rider]:
        """Take off what rides, for somebody else to carry."""
        riders, self._riders = self._riders, []
        return riders


async def carry(link: Link, riders: Sequence[Rider], calls: Sequence[Call], budget: Budget) -> list[Any]:
    """Send what rides and these calls in one trip, tell those that rode, and return all replies. As `Trips.go`."""
    answered: Mapping[int, Any] = {}
    ran = True  # as far as anybody knows
    try:
        replies = await link.trip(*(rider.call for rider in riders), *calls, budget=budget)
        answered = dict(enumerate(replies))
    except NotRun as fault:
        answered, ran = fault.answered, False
        raise
    finally:
        for place, rider in enumerate(riders):
            if place in answered:
                rider.read(answered[place])
            elif ran:
                rider.lost()
            else:
                rider.unrun()
    return replies
