"""What a store says of itself, and who shares it; asked for by people, and never by a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lingma_trio.state.link import REPLICAS, Call

LOOK = Call("look", (REPLICAS,))
OLDEST = 7
"""The first of the versions that run the scripts as they are meant."""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """A store, and the names of the gateways and agents that share it; `room` is in bytes, 0 where it is unbounded.

    `eviction` is what it does when there is no room left, by its own word for that.
    """

    version: str
    room: int
    eviction: str
    replicas: tuple[str, ...]

    @classmethod
    def read(cls, reply: list[Any]) -> StoreFacts:
        """The reply to `LOOK`."""
        version, room, eviction, members = reply
        names = sorted(member.decode().rpartition(" ")[0] for member in members)
        return cls(version.decode(), int(room or 0), eviction.decode(), tuple(names))

    @property
    def too_old(self) -> bool:
        """Whether scripts may not run there."""
        major = self.version.partition(".")[0]
        return major.isdigit() and int(major) < OLDEST

    @property
    def drops_anything(self) -> bool:
        """Whether it makes room by whatever it has, counts of limits too."""
        return self.room > 0 and self.eviction.startswith("allkeys")
