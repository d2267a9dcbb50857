"""How much may be asked again because it failed: a share of what succeeded lately, and a few in any case.

Without it every question that fails is asked several times just when each costs most: while everything fails. Each
tenant has its own, so that nobody's failures take away another's second attempt. Pure; the clock is an argument.
"""

from __future__ import annotations

from collections import OrderedDict, deque

WINDOW = 10.0
"""Seconds that count: about as long as an answer takes, so that what is counted is the state of now."""

FLOOR = 10
"""Retries that a tenant always has in a window, so that a quiet one, without successes, is helped as well."""

SHARE = 0.2
"""Retries for each success of the window: what a healthy upstream needs is far below, what failing alike adds too."""


class _Ledger:
    """One tenant's successes and retries of the window, oldest first."""

    __slots__ = ("retries", "successes")

    def __init__(self) -> None:
        self.successes: deque[float] = deque()
        self.retries: deque[float] = deque()

    def forget(self, before: float) -> None:
        for moments in (self.successes, self.retries):
            while moments and moments[0] <= before:
                moments.popleft()


class RetryBudget:
    """Counts successes and grants retries, tenant by tenant; nothing is kept of one that was quiet for a window."""

    def __init__(self, *, window: float = WINDOW, floor: int = FLOOR, share: float = SHARE) -> None:
        self._window = window
        self._floor = floor
        self._share = share
        # The one that did something longest ago comes first.
        self._ledgers: OrderedDict[str, _Ledger] = OrderedDict()

    def __repr__(self) -> str:
        return f"<RetryBudget tenants={len(self._ledgers)}>"

    def succeeded(self, tenant: str, now: float) -> None:
        """An answer of the tenant came to its end."""
        self._ledger(tenant, now).successes.append(now)

    def has(self, tenant: str, now: float) -> bool:
        """Whether the tenant may ask again."""
        ledger = self._ledger(tenant, now)
        return len(ledger.retries) < self._floor + self._share * len(ledger.successes)

    def spend(self, tenant: str, now: float) -> None:
        """The tenant asks again."""
        self._ledger(tenant, now).retries.append(now)

    def _ledger(self, tenant: str, now: float) -> _Ledger:
        ledger = self._ledgers.get(tenant)
        if ledger is None:
            ledger = self._ledgers[tenant] = _Ledger()
        self._ledgers.move_to_end(tenant)
        ledger.forget(now - self._window)
        while (name := next(iter(self._ledgers))) != tenant:
            oldest = self._ledgers[name]
            oldest.forget(now - self._window)
            if oldest.successes or oldest.retries:
                break
            del self._ledgers[name]
        return ledger
