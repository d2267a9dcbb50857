"""Room that several tenants share: where it is full, whoever has most of it makes room with what is oldest there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Shares(Generic[Item]):
    """At most `most` items, each of one owner. One owner alone has all the room; no owner can take another's share."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._owners: dict[Item, str] = {}
        self._items: dict[str, OrderedDict[Item, None]] = {}  # each owner's, oldest first

    def __repr__(self) -> str:
        return f"<Shares {len(self)}/{self._most} owners={len(self._items)}>"

    def __len__(self) -> int:
        return len(self._owners)

    def __contains__(self, item: object) -> bool:
        return item in self._owners

    def add(self, item: Item, owner: str) -> Item | None:
        """Have an item, as the owner's youngest; returns the one that had to go for it, if any had to."""
        self.discard(item)
        self._owners[item] = owner
        self._items.setdefault(owner, OrderedDict())[item] = None
        if len(self._owners) <= self._most:
            return None
        largest = max(self._items, key=lambda name: len(self._items[name]))
        gone = next(iter(self._items[largest]))
        self.discard(gone)
        return gone

    def discard(self, item: Item) -> None:
        """Have the item no longer."""
        owner = self._owners.pop(item, None)
        if owner is not None:
            own = self._items[owner]
            del own[item]
            if not own:
                del self._items[owner]

    def clear(self) -> None:
        """Have nothing."""
        self._owners.clear()
        self._items.clear()
