"""What the gateways that share a store tell each other of themselves, for whoever looks at any of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple, TypeAlias
from uuid import uuid4

import trio
from pydantic import TypeAdapter
from pydantic_core import to_json

from lingma_trio.errors import StateDown
from lingma_trio.state.link import Call, Link

TELL = 2.0
"""Seconds from one report to the next, and so how old what is told of others may be."""

COUNTS = 7.0
"""Seconds that a gateway is shown after its last report."""

_KEY = "lt:gateways"
_LOADS = "lt:loads"

KeyLoad: TypeAlias = tuple[int, int]
"""Requests of one API key that hold a slot, and those that wait for one."""

_NONE: KeyLoad = (0, 0)
_TOLD: TypeAdapter[dict[str, KeyLoad]] = TypeAdapter(dict[str, KeyLoad])


class Replica(NamedTuple):
    """One gateway: the seconds since it began, and the requests that it has in flight."""

    name: str
    age: int
    in_flight: int


class Replicas:
    """All gateways that share the store, as the last report heard. `load` is what this one, `name`, tells of itself:
    its age, and its requests in flight; `keys` has those of each key that has any, by what stands for it.
    """

    def __init__(
        self,
        link: Link,
        name: str,
        load: Callable[[], tuple[float, int]],
        keys: Callable[[], Mapping[str, KeyLoad]] = dict,
    ) -> None:
        self.seen: tuple[Replica, ...] = ()
        self._keys = keys
        self._elsewhere: dict[str, KeyLoad] = {}
        self._link = link
        self._member = f"{uuid4().hex} {name}"
        self._load = load

    def __repr__(self) -> str:
        return f"<Replicas {len(self.seen)}>"

    def elsewhere(self, key: str) -> KeyLoad:
        """What a key has under way at all the other gateways, as the last report heard."""
        return self._elsewhere.get(key, _NONE)

    async def run(self) -> None:
        """Tell and hear for ever. While the store is down nobody is seen. Cancelling lets the last report run out."""
        while True:
            age, in_flight = self._load()
            report = Call("replicas", (_KEY,), (self._member, int(COUNTS * 1000), int(age), in_flight))
            loads = Call("loads", (_LOADS,), (self._member, int(COUNTS * 1000), to_json(self._keys())))
            try:
                told, loads_told = await self._link.trip(report, loads)
                members = zip(told[::3], told[1::3], told[2::3], strict=True)
                self.seen = tuple(
                    sorted(Replica(name.decode().partition(" ")[2], age, count) for name, age, count in members)
                )
                self._elsewhere = self._sum(dict(zip(loads_told[::2], loads_told[1::2], strict=True)))
            except StateDown:
                self.seen, self._elsewhere = (), {}
            await trio.sleep(TELL)

    def _sum(self, told: Mapping[bytes, bytes]) -> dict[str, KeyLoad]:
        found: defaultdict[str, KeyLoad] = defaultdict(lambda: _NONE)
        for member, text in told.items():
            if member.decode() != self._member:
                with suppress(ValueError):  # another version may tell it in another way
                    for key, (in_flight, queued) in _TOLD.validate_json(text).items():
                        found[key] = found[key][0] + in_flight, found[key][1] + queued
        return dict(found)
