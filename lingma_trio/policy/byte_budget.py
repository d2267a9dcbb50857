"""How many bytes all requests together may have under way, and how many of them one tenant.

Pure: counts, and knows neither requests nor what the bytes are.
"""

from __future__ import annotations


class ByteBudget:
    """`limit` bytes for all. No tenant holds more than it leaves free.

    So one alone has half of them, a second one half of what is left, and whoever comes next finds something: nobody
    takes all, and a share needs no list of those who might come. With four times the largest request as the limit, a
    tenant that holds all it can keeps no other from a request of that size.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        """Bytes under way."""
        self._held: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<ByteBudget {self.held} of {self.limit}, tenants={len(self._held)}>"

    def held_by(self, tenant: str) -> int:
        """Those of one tenant."""
        return self._held.get(tenant, 0)

    def take(self, tenant: str, amount: int) -> bool:
        """Count `amount` bytes more for `tenant`; where they do not fit nothing is counted, and it returns False."""
        own = self._held.get(tenant, 0) + amount
        if own > self.limit - self.held - amount:
            return False
        self.held += amount
        if own:
            self._held[tenant] = own
        return True

    def give_back(self, tenant: str, amount: int) -> None:
        """`amount` bytes that were taken are under way no longer."""
        if not amount:
            return
        self.held -= amount
        self._held[tenant] -= amount
        if not self._held[tenant]:
            del self._held[tenant]
