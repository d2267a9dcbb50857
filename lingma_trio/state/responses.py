"""Where finished responses are kept for a while, so that later requests can refer to them.

Knows ids, tenants and which response follows which. Must not know what is in them, or who asks for what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from lingma_trio.policy.response_store import StoredResponse
from lingma_trio.state.trips import Trips


class Responses(Protocol):
    """Responses by tenant and id. An id is given once; whose tenant is another knows nothing of it.

    None is kept longer than its time, or beyond the bounds of number and bytes, for which the oldest make room. A
    response that others follow stays, unreachable by its own id, as long as one of them does, and counts. `trips` are
    those of the request that asks, where it makes any.
    """

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        ...

    async def put(self, tenant: str, identity: str, response: StoredResponse, trips: Trips | None = None) -> None:
        """Keep a response under its id. One that is too large with all that it follows is not kept, which no caller
        hears of.

        Cancelling may leave it kept.
        """
        ...

    async def find(
        self,
        tenant: str,
        identity: str,
        check: Callable[[int], None] | None = None,
        trips: Trips | None = None,
    ) -> StoredResponse | None:
        """Return the response that `tenant` knows by this id, or None.

        `check` is told its `reach` before its texts are brought here, and refuses that by raising. It is not asked
        where they are here already.
        """
        ...

    async def items(
        self, tenant: str, names: Sequence[str], most: int, trips: Trips | None = None
    ) -> Mapping[str, bytes]:
        """Return the items of these ids by them, of several of one id the youngest; those that are not kept are
        missing.

        Once there are more than `most` bytes of them, further ones may be missing.
        """
        ...

    async def remove(self, tenant: str, identity: str) -> bool:
        """Forget the response; whether there was one."""
        ...
