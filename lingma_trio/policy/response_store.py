"""Keeps finished responses for a while, so that later requests can refer to them and to what led to them.

Knows sizes, ages, tenants and which response follows which. Must not know what is in them, who asks for what, or the
time, which is an argument everywhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeAlias

Items: TypeAlias = tuple[tuple[str, bytes], ...]
"""Items in their order, each with its id, or with none where nobody refers to it, as JSON."""

OVERHEAD: Final = 1024
"""Bytes that a response counts for besides its texts: what the objects round them take, and then some."""

ITEM_OVERHEAD: Final = 512
"""The same for each item, which has a place in the index besides; a small one takes more than its text."""


class Encoded(NamedTuple):
    """A response as its client gets it, as JSON on one line: its output, item by item, and what stands round it."""

    head: bytes
    output: Items
    tail: bytes

    @property
    def pieces(self) -> tuple[bytes, bytes, bytes]:
        """All of it, to be joined with whatever it becomes part of."""
        return self.head, b",".join([text for _, text in self.output]), self.tail

    @property
    def json(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)


class StoredResponse:
    """One response: what was `given` for it beyond what the response before it held, and the response itself, `told`.

    `before` is the response that it follows, or None. `reach` is the bytes of the texts of its items and of all that it
    follows, and `length` how many those are. `identity` is its id where it was brought from a server. Nothing of it
    ever changes but the count of who needs it, so any thread may read it.
    """

    __slots__ = ("_holders", "before", "given", "identity", "length", "reach", "size", "told")

    def __init__(self, given: Items, told: Encoded, before: StoredResponse | None, identity: str = "") -> None:
        self.given = given
        self.told = told
        self.before = before
        self.identity = identity
        texts = sum(len(text) for _, text in self.items)
        self.size = OVERHEAD + len(told.head) + len(told.tail) + texts
        self.size += sum(ITEM_OVERHEAD + len(name) for name, _ in self.items)
        self.reach: int = texts + (0 if before is None else before.reach)
        self.length: int = len(self.items) + (0 if before is None else before.length)
        self._holders = 0

    def __repr__(self) -> str:
        return f"<StoredResponse size={self.size} holders={self._holders}>"

    @property
    def items(self) -> Items:
        """What a later request may refer to: what was given for it, and its output."""
        return self.given + self.told.output

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


class _Share:
    """What one tenant has: the ids of its responses, oldest first, its items by their ids, and the bytes of both."""

    __slots__ = ("by_item", "identities", "size")

    def __init__(self) -> None:
        self.identities: dict[str, None] = {}
        self.by_item: dict[str, tuple[StoredResponse, bytes]] = {}
        self.size = 0


class ResponseStore:
    """Responses by tenant and id.

    Holds at most `max_entries` of them, none longer than `ttl` seconds, and never more than `max_bytes` in all. Where
    there is no room the tenant that holds most, of entries or of bytes, loses its oldest: nobody who keeps to an equal
    share is ever put out by another. A response that others follow stays, unreachable by its own id, as long as one of
    them does, and counts. Nothing here waits, so between deciding and doing no other task runs. `now` is in seconds of
    any clock that never goes back.

    With 0 for `max_entries` or `max_bytes` nothing is kept.
    """

    def __init__(self, *, max_entries: int, max_bytes: int, ttl: float) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ttl = ttl
        # Oldest first, with the time each was put.
        self._entries: OrderedDict[tuple[str, str], tuple[StoredResponse, float]] = OrderedDict()
        self._shares: dict[str, _Share] = {}
        self.size = 0

    def __repr__(self) -> str:
        return f"<ResponseStore {len(self)}/{self._max_entries} bytes={self.size}/{self._max_bytes}>"

    def __len__(self) -> int:
        """Responses that can be asked for, those included whose age nothing has noticed yet."""
        return len(self._entries)

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return bool(self._max_entries and self._max_bytes)

    def put(self, tenant: str, identity: str, response: StoredResponse, *, now: float) -> None:
        """Keep a response under its id, in the place of any other of that id; who holds most makes room.

        One that is too large with all that it follows is not kept at all.
        """
        self._expire(now)
        self.remove(tenant, identity, now=now)
        if sum(each.size for each in response.lineage()) > self._max_bytes or not self._max_entries:
            return
        self._entries[tenant, identity] = (response, now)
        self._hold(self._shares.setdefault(tenant, _Share()), identity, response)
        while len(self._entries) > self._max_entries:
            self._make_room(lambda share: len(share.identities))
        while self.size > self._max_bytes:
            self._make_room(lambda share: share.size)

    def find(self, tenant: str, identity: str, *, now: float) -> StoredResponse | None:
        """Return the response that `tenant` knows by this id, or None."""
        self._expire(now)
        entry = self._entries.get((tenant, identity))
        return None if entry is None else entry[0]

    def find_item(self, tenant: str, item_id: str, *, now: float) -> bytes | None:
        """Return the item of this id, of several the youngest, or None."""
        self._expire(now)
        share = self._shares.get(tenant)
        found = None if share is None else share.by_item.get(item_id)
        return None if found is None else found[1]

    def remove(self, tenant: str, identity: str, *, now: float) -> bool:
        """Forget the response; whether there was one."""
        self._expire(now)
        if (tenant, identity) not in self._entries:
            return False
        self._remove(tenant, identity)
        return True

    def held(self) -> Iterator[StoredResponse]:
        """Every response that is in memory, by its own id or because another follows it; some more than once."""
        for response, _ in self._entries.values():
            yield from response.lineage()

    def _make_room(self, holding: Callable[[_Share], int]) -> None:
        """Drop the oldest response of the tenant that holds most."""
        tenant = max(self._shares, key=lambda name: holding(self._shares[name]))
        self._remove(tenant, next(iter(self._shares[tenant].identities)))

    def _hold(self, share: _Share, identity: str, response: StoredResponse) -> None:
        share.identities[identity] = None
        fresh: list[StoredResponse] = []
        each: StoredResponse | None = response
        while each is not None and each.hold():
            fresh.append(each)
            each = each.before
        for held in reversed(fresh):  # the youngest last, whose items go before those of the same id
            self.size += held.size
            share.size += held.size
            share.by_item.update((name, (held, text)) for name, text in held.items if name)

    def _remove(self, tenant: str, identity: str) -> None:
        share = self._shares[tenant]
        del share.identities[identity]
        each: StoredResponse | None = self._entries.pop((tenant, identity))[0]
        while each is not None and each.release():
            self.size -= each.size
            share.size -= each.size
            for name, _ in each.items:
                if (found := share.by_item.get(name)) is not None and found[0] is each:
                    del share.by_item[name]
            each = each.before
        if not share.identities:
            del self._shares[tenant]

    def _expire(self, now: float) -> None:
        while self._entries:
            key, (_, put_at) = next(iter(self._entries.items()))
            if now - put_at < self._ttl:
                return
            self._remove(*key)
