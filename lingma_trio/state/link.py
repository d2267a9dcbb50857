"""The way to the store that gateways share: whether there is one now, how long anybody waits for it, one round trip.

Knows scripts by their names, a breaker and a budget of seconds. Must not know what a script is for, nor how bytes get
to the store and back, which is `wire`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import structlog
import trio

from lingma_trio.errors import StateDown

REQUEST_BUDGET = 0.25
"""Seconds that one request waits for the store in all."""

DOUBTED_AFTER = 0.15
"""Seconds without an answer that say something about the store, and not only about the rest of one request's budget."""

MOST_LATE = 3
"""Trips in a row that come too late, until a store is no use though it does answer."""

SHORTEST_WAIT = 0.001
"""Seconds in which no store answers."""

RETRY_PAUSE = 0.5
"""Seconds from one attempt to reach the store to the next, and how long one attempt may take."""

BEAT = 1.0
"""Seconds from one sign of this gateway's life in the store to the next."""

LEASE = 5.0
"""Seconds that a gateway counts after its last sign of life; of the server's time."""

RETRY_AFTER = 1.0

CANNOT_BE_REACHED = "the store that the gateways share cannot be reached; send the request again in a moment"

REPLICAS = "lt:replicas"
"""The key of all who share the store, by the end of their leases."""

log = structlog.get_logger("lingma_trio.state")


@dataclass(frozen=True, slots=True)
class Call:
    """One script to run: `scripts/NAME.lua`, the full names of all keys it touches, and its arguments.

    Every key of a tenant carries it as hash tag, as in `lt:{tenant}:rate:requests`, so that one call's keys are
    together on one server, whoever divides them.
    """

    script: str
    keys: tuple[str, ...]
    args: tuple[str | int | bytes, ...] = ()


class Budget:
    """How long one request may still wait for the store, in seconds; given along by who serves the request.

    Only waiting is counted: a request that takes a minute has all of it left where its trips were short.
    """

    def __init__(self, seconds: float = REQUEST_BUDGET) -> None:
        self.left = seconds

    def spend(self, seconds: float) -> None:
        """Count a wait that is over. What is left of under a millisecond is nothing."""
        left = self.left - seconds
        self.left = left if left >= SHORTEST_WAIT else 0.0


class Link(Protocol):
    """What users of the store work with."""

    replicas: int
    """Gateways that share the store, this one too, as last known; 0 where that was never known."""

    @property
    def up(self) -> bool:
        """Whether the store is tried at all: while it is not nobody waits for it."""

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        """Run all of the calls in one round trip, and give the reply of each: integers, bytes, None, lists of these.

        Raises `StateDown` where they are not all answered within the budget, which is REQUEST_BUDGET where none is
        given; of these `NotRun` where it refused some, and at once where it is not asked, since it is down. Never sends
        anything again. Cancelling: what was sent may have run.
        """


class WireLost(Exception):
    """There is no connection to the store, or it takes no writes; the message says why, without a password."""


class WireLate(WireLost):
    """The store has not answered in time. `silent` says that nothing at all came from it meanwhile; `ours`, that this
    program was late itself, so that nobody knows whose fault it is.
    """

    def __init__(self, message: str, *, silent: bool, ours: bool = False) -> None:
        super().__init__(message)
        self.silent = silent
        self.ours = ours


class WireRefused(Exception):
    """The store answered a call with an error, the others by their place with what is `answered`; the connection goes
    on.
    """

    def __init__(self, message: str, answered: Mapping[int, Any] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.answered = answered


class NotRun(StateDown):
    """Calls of a trip did not run, since the store refused them or was not asked. The others did: `answered` has their
    replies by their places.
    """

    def __init__(self, answered: Mapping[int, Any] = MappingProxyType({})) -> None:
        super().__init__(CANNOT_BE_REACHED, retry_after=RETRY_AFTER)
        self.answered = answered


class Wire(Protocol):
    """One connection to the store, for as long as it lasts."""

    async def send(self, calls: Sequence[Call], seconds: float) -> list[Any]:
        """The replies to calls that are sent together.

        Raises `WireRefused` where one of them has an error for a reply, `WireLate` where not all have one within
        `seconds`, `WireLost` where the connection ends before. Late replies are dropped, and nobody gets another's,
        after cancelling neither.
        """


Dial: TypeAlias = Callable[[], AbstractAsyncContextManager[Wire]]
"""Opens a connection for the length of a block. Raises `WireLost`, alone or in a group, where there is none within
RETRY_PAUSE, and out of the block when it ends."""


class StoreLink:
    """A link that is up while the store answers, and otherwise tries again every RETRY_PAUSE.

    A wait in which it says nothing at all is doubt enough to leave the store alone until it has answered again, and so
    are several replies in a row that come too late. `name` is this gateway's, and `boot` tells apart two that have the
    same. `trips` counts those that came to something, `failures` the others by reason: `late`, `lost`, `refused`, and
    `down` for those that were not tried. `reason` says why it is not up. `tried` is set once the store was reached, or
    it is plain that it cannot be now. One that is not `counted` is no gateway's, by whose number limits are divided.
    """

    def __init__(self, dial: Dial, *, name: str, boot: str, counted: bool = True) -> None:
        self.replicas = 0
        self.trips = 0
        self.failures: Counter[str] = Counter()
        self.reason = "not connected yet"
        self.tried = trio.Event()
        self._dial = dial
        self.name = name
        self._lease = LEASE if counted else 0.0
        self._member = f"{name} {boot}"
        self._wire: Wire | None = None
        self._doubt = trio.Event()
        self._late = 0  # trips in a row
        self._missed = 0  # beats in a row
        self._quiet_until = 0.0  # about refusals

    def __repr__(self) -> str:
        return f"<StoreLink {'up' if self.up else self.reason} replicas={self.replicas} trips={self.trips}>"

    @property
    def up(self) -> bool:
        """Whether there is a connection that nobody doubts."""
        return self._wire is not None and not self._doubt.is_set()

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        """As `Link.trip`."""
        budget = budget or Budget()
        wire = self._wire
        if wire is None or self._doubt.is_set() or not budget.left:
            self.failures["down"] += 1
            raise NotRun
        began, seconds = trio.current_time(), budget.left
        try:
            replies = await wire.send(calls, seconds)
        except WireLate as fault:
            self.failures["late"] += 1
            if seconds >= DOUBTED_AFTER and not fault.ours:
                self._late += 1
                if fault.silent or self._late >= MOST_LATE:
                    self._suspect(wire, str(fault))
            raise _down() from fault
        except WireLost as fault:
            self.failures["lost"] += 1
            self._suspect(wire, str(fault))
            raise _down() from fault
        except WireRefused as fault:
            self.failures["refused"] += 1
            self._tell_refusal(calls, str(fault))
            raise NotRun(fault.answered) from fault
        finally:
            budget.spend(trio.current_time() - began)
        self.trips += 1
        self._late = 0
        return replies

    async def leave(self) -> None:
        """Take this gateway's name back before its lease is over, where the store takes it now."""
        with suppress(StateDown):
            await self.trip(_beat(self._member, 0))

    async def stay(self) -> None:
        """Keep a connection for as long as this runs, and this gateway's name among those that share the store.

        Raises nothing but bugs. Cancelling closes the connection.
        """
        while True:
            began = trio.current_time()
            try:
                async with self._dial() as wire:
                    await self._live(wire)
            except* (WireLost, WireRefused) as group:
                self._tell(reason_of(group))
            self.tried.set()
            await trio.sleep_until(began + RETRY_PAUSE)

    async def _live(self, wire: Wire) -> None:
        self._missed = 0
        try:
            while True:
                if await self._beat(wire) > REQUEST_BUDGET:
                    await trio.sleep(RETRY_PAUSE)
                    continue
                if self._wire is None or self._doubt.is_set():
                    self._wire, self._doubt, self._late, self.reason = wire, trio.Event(), 0, ""
                    log.info("state_up", replicas=self.replicas)
                    self.tried.set()
                with trio.move_on_after(BEAT):
                    await self._doubt.wait()
        finally:
            self._wire = None

    async def _beat(self, wire: Wire) -> float:
        """Tell that this gateway lives, and hear how many do. Returns how long that took, in seconds."""
        began = trio.current_time()
        try:
            (self.replicas,) = await wire.send([_beat(self._member, self._lease)], RETRY_PAUSE)
        except WireLate as fault:
            self._missed += 1
            if (fault.silent and not fault.ours) or self._missed >= MOST_LATE:
                raise
        else:
            self._missed = 0
        return trio.current_time() - began

    def _suspect(self, wire: Wire, reason: str) -> None:
        if wire is self._wire and not self._doubt.is_set():
            self._tell(reason)
            self._doubt.set()

    def _tell(self, reason: str) -> None:
        """Once for each reason in a row: an outage may last for hours."""
        if reason != self.reason:
            log.warning("state_down", reason=reason)
        self.reason = reason

    def _tell_refusal(self, calls: Sequence[Call], reason: str) -> None:
        """At most once in a second: a store that is full refuses every request."""
        if trio.current_time() >= self._quiet_until:
            self._quiet_until = trio.current_time() + BEAT
            log.warning("state_refused", scripts=[call.script for call in calls], reason=reason)


@asynccontextmanager
async def kept(link: StoreLink | None) -> AsyncIterator[None]:
    """Keep a link for the length of the block, which begins once it is up or plain that it cannot be now.

    A store that is away is no fault: the link is down, says why, and comes up when it can. Cancelling leaves the name
    in the store until its lease ends. What the block raises leaves in a group; without a link there is nothing to do.
    """
    if link is None:
        yield
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.stay, name="link to the store")
        await link.tried.wait()
        yield
        await link.leave()
        nursery.cancel_scope.cancel("the link is not needed any longer")


def _beat(member: str, seconds: float) -> Call:
    return Call("beat", (REPLICAS,), (member, int(seconds * 1000)))


def _down() -> StateDown:
    return StateDown(CANNOT_BE_REACHED, retry_after=RETRY_AFTER)


def reason_of(group: BaseExceptionGroup[WireLost | WireRefused]) -> str:
    """What the first of these faults says."""
    fault: BaseException = group
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return str(fault)
