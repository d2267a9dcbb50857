"""Keeps finished responses for a while, so that later requests can refer to them and to what led to them.

Knows sizes, ages and which response follows which. Must not know what is in them, who asks for what, or the time,
which is an argument everywhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

OVERHEAD = 1024
"""Bytes that a response counts for besides its texts: what the objects round them take, and then some."""


class StoredResponse:
    """One response: what was `given` for it beyond what the response before it held, and its `body`.

    `item_ids` are the names of the items in either. `before` is the response that it follows, or None.
    """

    __slots__ = ("_holders", "before", "body", "given", "item_ids", "size")

    def __init__(self, given: bytes, body: bytes, item_ids: tuple[str, ...], before: StoredResponse | None) -> None:
        self.given = given
        self.body = body
        self.item_ids = item_ids
        self.before = before
        self.size = OVERHEAD + len(given) + len(body)
        self._holders = 0

    def __repr__(self) -> str:
        return f"<StoredResponse size={self.size} holders={self._holders}>"

    def lineage(self) -> list[StoredResponse]:
        """This response and all that it follows, oldest first."""
        line = [self]
        while (before := line[-1].before) is not None:
            line.append(before)
        line.reverse()
        return line

    def hold(self) -> bool:
        """Count one more that needs it; whether it is the first."""
        self._holders += 1
        return self._holders == 1

    def release(self) -> bool:
        """Count one less; whether it was the last."""
        self._holders -= 1
        return self._holders == 0


class ResponseStore:
    """Responses by tenant and id.

    Holds at most `max_entries` of them, none longer than `ttl` seconds, and never more than `max_bytes` in all; what
    was put first goes first. A response that others follow stays, unreachable by its own id, as long as one of them
    does, and counts. Nothing here waits, so between deciding and doing no other task runs. `now` is in seconds of any
    clock that never goes back.

    With 0 for `max_entries` or `max_bytes` nothing is kept.
    """

    def __init__(self, *, max_entries: int, max_bytes: int, ttl: float) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ttl = ttl
        # Oldest first, with the time each was put.
        self._entries: OrderedDict[tuple[str, str], tuple[StoredResponse, float]] = OrderedDict()
        self._by_item: dict[tuple[str, str], StoredResponse] = {}
        self.size = 0

    def __repr__(self) -> str:
        return f"<ResponseStore {len(self)}/{self._max_entries} bytes={self.size}/{self._max_bytes}>"

    def __len__(self) -> int:
        """Responses that can be asked for, those included whose age nothing has noticed yet."""
        return len(self._entries)

    def put(self, tenant: str, identity: str, response: StoredResponse, *, now: float) -> None:
        """Keep a response under its id, in the place of any other of that id; older ones make room.

        One that is too large with all that it follows is not kept at all.
        """
        self._expire(now)
        self.remove(tenant, identity, now=now)
        if sum(each.size for each in response.lineage()) > self._max_bytes or not self._max_entries:
            return
        self._entries[tenant, identity] = (response, now)
        self._hold(tenant, response)
        while len(self._entries) > self._max_entries or self.size > self._max_bytes:
            self._remove(next(iter(self._entries)))

    def find(self, tenant: str, identity: str, *, now: float) -> StoredResponse | None:
        """Return the response that `tenant` knows by this id, or None."""
        self._expire(now)
        entry = self._entries.get((tenant, identity))
        return None if entry is None else entry[0]

    def find_item(self, tenant: str, item_id: str, *, now: float) -> StoredResponse | None:
        """Return the response that holds the item of this name, the youngest of several, or None."""
        self._expire(now)
        return self._by_item.get((tenant, item_id))

    def remove(self, tenant: str, identity: str, *, now: float) -> bool:
        """Forget the response; whether there was one."""
        self._expire(now)
        if (tenant, identity) not in self._entries:
            return False
        self._remove((tenant, identity))
        return True

    def held(self) -> Iterator[StoredResponse]:
        """Every response that is in memory, by its own id or because another follows it; some more than once."""
        for response, _ in self._entries.values():
            yield from response.lineage()

    def _hold(self, tenant: str, response: StoredResponse) -> None:
        each: StoredResponse | None = response
        while each is not None and each.hold():
            self.size += each.size
            self._by_item.update(dict.fromkeys(((tenant, item) for item in each.item_ids), each))
            each = each.before

    def _remove(self, key: tuple[str, str]) -> None:
        each: StoredResponse | None = self._entries.pop(key)[0]
        while each is not None and each.release():
            self.size -= each.size
            for item in each.item_ids:
                if self._by_item.get((key[0], item)) is each:
                    del self._by_item[key[0], item]
            each = each.before

    def _expire(self, now: float) -> None:
        while self._entries:
            key, (_, put_at) = next(iter(self._entries.items()))
            if now - put_at < self._ttl:
                return
            self._remove(key)
