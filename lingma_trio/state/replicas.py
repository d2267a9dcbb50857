"""What the gateways that share a store tell each other of themselves, for whoever looks at any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import uuid4

import trio

from lingma_trio.errors import StateDown
from lingma_trio.state.link import Call, Link

TELL = 2.0
"""Seconds from one report to the next, and so how old what is told of others may be."""

COUNTS = 7.0
"""Seconds that a gateway is shown after its last report."""

_KEY = "lt:gateways"


class Replica(NamedTuple):
    """One gateway: the seconds since it began, and the requests that it has in flight."""

    name: str
    age: int
    in_flight: int


class Replicas:
    """All gateways that share the store, as the last report heard. `load` is what this one, `name`, tells of itself:
    its age, and its requests in flight.
    """

    def __init__(self, link: Link, name: str, load: Callable[[], tuple[float, int]]) -> None:
        self.seen: tuple[Replica, ...] = ()
        self._link = link
        self._member = f"{uuid4().hex} {name}"
        self._load = load

    def __repr__(self) -> str:
        return f"<Replicas {len(self.seen)}>"

    async def run(self) -> None:
        """Tell and hear for ever. While the store is down nobody is seen. Cancelling lets the last report run out."""
        while True:
            age, in_flight = self._load()
            report = Call("replicas", (_KEY,), (self._member, int(COUNTS * 1000), int(age), in_flight))
            try:
                (told,) = await self._link.trip(report)
                members = zip(told[::3], told[1::3], told[2::3], strict=True)
                self.seen = tuple(
                    sorted(Replica(name.decode().partition(" ")[2], age, count) for name, age, count in members)
                )
            except StateDown:
                self.seen = ()
            await trio.sleep(TELL)
