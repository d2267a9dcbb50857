"""Decides who holds one of a few places, and who is next, so that no tenant can keep another waiting.

A place that comes free goes to the tenant that holds the fewest; of several such, to the one that has not been given a
place or left one for longest; within a tenant, to whoever came first. Beside a place a ticket needs something that is
not always there: who cannot have it is walked past, by others of its own tenant too, and keeps its turn.

A visit that holds a place may wish for spare ones beside it, which it has only while nobody waits who could have them:
so what one visit does at once never keeps another waiting, and none of its wishes takes room in the queue.

A newcomer to a full queue takes the place in it of the last one of the longest line, where that line stays no shorter
than its own: so the queue, too, is shared, and one tenant alone has all of it.

Decides and nothing else: whoever waits is told by a callback. Must not know tasks, time, or what a place is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Literal, Protocol, TypeAlias

Standing: TypeAlias = Literal["waiting", "holding", "refused", "gone"]


class Need(Protocol):
    """What a ticket needs beside a place. What was taken is released when the place is given back."""

    @property
    def wish(self) -> Hashable:
        """Needs of equal wishes are met or not met alike."""

    def take(self) -> bool:
        """Take it now, if it is there; returns whether it was."""

    def release(self) -> None:
        """Give it back."""


class Nothing:
    """The need of a ticket that a place is enough for."""

    wish = None

    def take(self) -> bool:
        """There is always nothing."""
        return True

    def release(self) -> None:
        """Nothing is given back."""


NOTHING = Nothing()


def _nobody() -> None:
    """Tell nobody."""


class Ticket:
    """One visit of a tenant. `tell` is called whenever it comes to hold a place after a wait, or is refused.

    A `spare` one waits for a place that nobody else wants; once it had to give that back it waits as all others do.
    """

    __slots__ = ("line", "need", "spare", "standing", "tell")

    def __init__(self, line: Line, need: Need, *, spare: bool = False) -> None:
        self.line = line
        self.need = need
        self.spare = spare
        self.standing: Standing = "waiting"
        self.tell: Callable[[], None] = _nobody

    def __repr__(self) -> str:
        return f"<Ticket of {self.line.tenant!r} {self.standing}>"


class Line:
    """One tenant's visits: how many hold a place, and who waits, in the order of arrival.

    `most` bounds how many may hold a place at once; <= 0 is no bound. `barred` is how many of it were let in here and
    refused elsewhere; while there are such nobody of it is given a place.
    """

    __slots__ = ("barred", "holding", "most", "tenant", "waiting")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.most = 0
        self.barred = 0
        self.holding = 0
        self.waiting: deque[Ticket] = deque()

    def __repr__(self) -> str:
        return f"<Line of {self.tenant!r} holding={self.holding} waiting={len(self.waiting)}>"

    @property
    def has_room(self) -> bool:
        """Whether the tenant's own bound lets one more of it hold a place."""
        return not self.barred and (self.most <= 0 or self.holding < self.most)


class FairQueue:
    """`limit` places (<= 0 is no limit) and a queue of at most `max_queue` tickets for them.

    Keeps one thing true between calls: while a place is free, everybody who waits does so for its tenant's own bound,
    or because its need could not be met when that was last looked at; `deal` looks again.
    """

    def __init__(self, *, limit: int, max_queue: int) -> None:
        self._limit = limit
        self._max_queue = max_queue
        self._lines: dict[str, Line] = {}
        # The lines in which somebody waits; the one that was given a place, or left one, longest ago comes first.
        self._turns: dict[str, Line] = {}
        self._spare: deque[Ticket] = deque()  # those who wait for what is left over, in the order of arrival
        self.holding = 0
        self.waiting = 0

    def __repr__(self) -> str:
        return f"<FairQueue holding={self.holding} waiting={self.waiting} tenants={len(self._lines)}>"

    def load(self, tenant: str) -> tuple[int, int]:
        """How many tickets of the tenant hold a place, and how many wait."""
        line = self._lines.get(tenant)
        return (line.holding, len(line.waiting)) if line is not None else (0, 0)

    def enter(self, tenant: str, *, most: int = 0, need: Need = NOTHING) -> Ticket:
        """A ticket that holds a place, or waits for one, or was refused because the queue is full.

        `most` is the tenant's own bound from now on. Every ticket that was not refused has to be given to `leave`.
        """
        line = self._lines.get(tenant)
        if line is None:
            line = self._lines[tenant] = Line(tenant)
        line.most = most
        ticket = Ticket(line, need)
        if not (self._turns or self._spare) and self._has_place and line.has_room and need.take():  # as nearly always
            self._seat(ticket)
            return ticket
        line.waiting.append(ticket)
        self._turns.setdefault(tenant, line)
        self.waiting += 1
        self.deal()
        if ticket.standing == "waiting" and self.waiting > self._max_queue and not self._push_out(line):
            self._take_out(ticket)
            ticket.standing = "refused"
            self._forget_idle(line)
        return ticket

    def enter_spare(self, beside: Ticket, *, need: Need) -> Ticket:
        """A ticket of the same tenant that holds a spare place or waits for one; the queue is never too full for it.

        It has to be given to `leave`, before `beside` is.
        """
        ticket = Ticket(beside.line, need, spare=True)
        self._spare.append(ticket)
        self.deal()
        return ticket

    def put_back(self, ticket: Ticket) -> None:
        """Let a ticket that holds a place give it back and wait for another, ahead of its tenant's others.

        The queue takes it in, full or not: it was let in before.
        """
        line = ticket.line
        self._vacate(ticket)
        ticket.standing = "waiting"
        ticket.spare = False
        line.waiting.appendleft(ticket)
        self._turns.setdefault(line.tenant, line)
        self.waiting += 1
        self.deal()

    def bar(self, ticket: Ticket) -> None:
        """As `put_back`, for one whose tenant may have no place now by somebody else's word, until `unbar`."""
        ticket.line.barred += 1
        self.put_back(ticket)

    def unbar(self, ticket: Ticket) -> None:
        """Let it and the others of its tenant try again."""
        ticket.line.barred -= 1
        self.deal()

    def leave(self, ticket: Ticket) -> None:
        """Give back the ticket's place, or its place in the queue. A refused one, or one that left, has neither."""
        if ticket.standing == "holding":
            self._vacate(ticket)
        elif ticket.standing == "waiting":
            self._take_out(ticket)
        else:
            return
        ticket.standing = "gone"
        self.deal()
        self._forget_idle(ticket.line)

    def deal(self) -> None:
        """Give the free places to those whose turn it is; to be called when needs may be met that could not before."""
        # A place that is given takes something away, so what failed need not be tried again.
        unmet: set[Hashable] = set()
        while (self._turns or self._spare) and self._has_place:
            ticket = next((each for each in self._in_order() if _is_met(each.need, unmet)), None)
            if ticket is None:
                return
            self._take_out(ticket)
            self._go_last(ticket.line)
            self._seat(ticket)
            ticket.tell()

    @property
    def _has_place(self) -> bool:
        return self._limit <= 0 or self.holding < self._limit

    def _seat(self, ticket: Ticket) -> None:
        ticket.standing = "holding"
        self.holding += 1
        ticket.line.holding += 1

    def _in_order(self) -> Iterator[Ticket]:
        """Who waits for a place that its tenant may have, whoever is to have it first coming first."""
        for line in sorted((each for each in self._turns.values() if each.has_room), key=_held_by):
            yield from line.waiting
        yield from sorted((each for each in self._spare if each.line.has_room), key=lambda each: _held_by(each.line))

    def _vacate(self, ticket: Ticket) -> None:
        ticket.need.release()
        self.holding -= 1
        ticket.line.holding -= 1
        self._go_last(ticket.line)

    def _go_last(self, line: Line) -> None:
        """Let all others that wait come first among those that hold as few."""
        if line.waiting:
            self._turns[line.tenant] = self._turns.pop(line.tenant)

    def _push_out(self, newcomer: Line) -> bool:
        """Make room in the full queue at the cost of the longest line, if that is fair; returns whether it did."""
        longest = max(self._turns.values(), key=lambda line: len(line.waiting))
        if len(longest.waiting) <= len(newcomer.waiting):
            return False
        last = longest.waiting[-1]
        self._take_out(last)
        last.standing = "refused"
        last.tell()
        return True

    def _take_out(self, ticket: Ticket) -> None:
        if ticket.spare:
            self._spare.remove(ticket)
            return
        line = ticket.line
        line.waiting.remove(ticket)
        self.waiting -= 1
        if not line.waiting:
            del self._turns[line.tenant]

    def _forget_idle(self, line: Line) -> None:
        known = self._lines.get(line.tenant) is line  # else it was forgotten before a spare wish of it was given up
        if known and not line.holding and not line.waiting:
            del self._lines[line.tenant]


def _is_met(need: Need, unmet: set[Hashable]) -> bool:
    if unmet and need.wish in unmet:
        return False
    if need.take():
        return True
    unmet.add(need.wish)
    return False


def _held_by(line: Line) -> int:
    return line.holding
