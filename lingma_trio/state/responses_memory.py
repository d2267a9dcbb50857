"""Responses kept in the memory of this process, which ends with it. Nothing here waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import trio

from lingma_trio.policy.response_store import ResponseStore, StoredResponse
from lingma_trio.state.trips import Trips


class MemoryResponses:
    """`Responses` within the bounds of one `ResponseStore`, which takes the same arguments. No call is a checkpoint."""

    def __init__(self, *, max_entries: int, max_bytes: int, ttl: float) -> None:
        self._store = ResponseStore(max_entries=max_entries, max_bytes=max_bytes, ttl=ttl)

    def __repr__(self) -> str:
        return f"<MemoryResponses {self._store!r}>"

    def __len__(self) -> int:
        """Responses that can be asked for, those included whose age nothing has noticed yet."""
        return len(self._store)

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return self._store.keeps

    async def put(self, tenant: str, identity: str, response: StoredResponse, trips: Trips | None = None) -> None:
        """Keep a response under its id."""
        del trips
        self._store.put(tenant, identity, response, now=trio.current_time())

    async def find(
        self,
        tenant: str,
        identity: str,
        check: Callable[[int], None] | None = None,
        trips: Trips | None = None,
    ) -> StoredResponse | None:
        """Return the response of this id, or None."""
        del check, trips
        return self._store.find(tenant, identity, now=trio.current_time())

    async def items(
        self, tenant: str, names: Sequence[str], most: int, trips: Trips | None = None
    ) -> Mapping[str, bytes]:
        """Return the items of these ids by them, however many bytes they are, since none is copied."""
        del most, trips
        now = trio.current_time()
        found = {name: self._store.find_item(tenant, name, now=now) for name in names}
        return {name: text for name, text in found.items() if text is not None}

    async def remove(self, tenant: str, identity: str) -> bool:
        """Forget the response; whether there was one."""
        return self._store.remove(tenant, identity, now=trio.current_time())
