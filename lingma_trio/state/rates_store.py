"""What requests use of their keys' limits where several gateways share a store: its word counts while it is up.

While it is down each gateway lets in its share of every limit, by buckets of its own.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any, Literal, Self
from weakref import WeakKeyDictionary

import trio

from lingma_trio.errors import StateDown
from lingma_trio.policy.rate_limit import Bucket
from lingma_trio.state.link import Budget, Call, Link
from lingma_trio.state.places import share_of
from lingma_trio.state.places_store import LEASE_MS, PlaceKeeper, places_key
from lingma_trio.state.rates import Limits, tokens_used_up
from lingma_trio.state.trips import Rider, Trips

_US = 1_000_000


class SharedRates:
    """What the requests of one gateway have in common: the way to the store, the places, the shares of limits.

    A key's own buckets, which show what is left of its limits, are told what the store says.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.keeper = PlaceKeeper(link)
        self._shares: WeakKeyDictionary[Bucket, Bucket] = WeakKeyDictionary()

    def open(self, limits: Limits) -> SharedDues:
        """The dues of one request of the key that has these limits."""
        return SharedDues(self, limits)

    def has_room(self, limits: Limits) -> bool:
        """Whether one more place is within this gateway's share."""
        return self.keeper.holding(limits.tenant) < share_of(limits.places, self.link.replicas)

    def share(self, of: Bucket) -> Bucket:
        """This gateway's share of a limit, of which it lets somebody have what there is."""
        per_minute = share_of(of.per_minute, self.link.replicas)
        share = self._shares.get(of)
        if share is None or share.per_minute != per_minute:
            share = self._shares[of] = Bucket(per_minute)
        return share

    def spend_here(self, bucket: Bucket, amount: int, now: float) -> float:
        """Take `amount` out of the share, which owes what it has not; as `Dues.admit`."""
        share = self.share(bucket)
        wait = self.wait_here(bucket, amount, now)
        if not wait:
            share.spend(amount, now)
        return wait

    def wait_here(self, bucket: Bucket, amount: int, now: float) -> float:
        """Seconds until the share would have `amount`; 0 where it has."""
        share = self.share(bucket)
        return share.wait(min(amount, share.per_minute), now)


class SharedEntry:
    """How a turn comes in where others of its key may be at work elsewhere: as `Entry`.

    `bucket`, where its tokens are limited, is what its `tokens` are taken from: out of the store's word for it, or out
    of this gateway's share, as `share` says.
    """

    def __init__(self, rates: SharedRates, limits: Limits, trips: Trips) -> None:
        self._rates = rates
        self._limits = limits
        self._trips = trips
        self._asked: Rider | None = None  # and not answered yet
        self._answered = trio.Event()
        self._full = False
        self._taken = False  # by the store, it may be: what was lost is taken there or nowhere
        self._wait = 0.0
        self.inside = False
        self.rivals = 1
        self.name = ""  # of the place, where those are limited
        self.tokens = 0
        self.bucket: Bucket | None = None
        self.share: Bucket | None = None

    def __repr__(self) -> str:
        return f"<SharedEntry {self.name!r} inside={self.inside} tokens={self.tokens}>"

    def knock(self) -> None:
        """As `Entry.knock`. While the store is down nobody is asked, and `come_in` decides."""
        limits = self._limits
        if self.inside or self._asked is not None:
            return
        if limits.places <= 0 and self.bucket is None:
            self.inside = True
            return
        self.name = self._rates.keeper.new_name() if limits.places > 0 else ""
        self.rivals = 1
        if self._trips.up:
            call = dues_call(limits, "tokens", self.bucket, self.tokens, "asked", name=self.name)
            self._answered = trio.Event()
            self._asked = self._trips.ride(call, self._read, self._lose, self._find_unrun)

    async def come_in(self) -> bool:
        """As `Entry.come_in`."""
        self.knock()
        if self._asked is not None:
            with suppress(StateDown):  # it is decided here then
                await self._trips.go()
        if self._asked is not None:  # a further turn of the request has it with its own trip
            await self._answered.wait()
        if self._wait:
            assert self.bucket is not None
            raise tokens_used_up(self.bucket.per_minute, self.tokens, self._wait)
        full, self._full = self._full, False
        return self.inside or not (full or self._is_full_here())

    def beside(self) -> Self:
        """As `Entry.beside`."""
        return type(self)(self._rates, self._limits, self._trips)

    def leave(self) -> None:
        """As `Entry.leave`."""
        if self.inside and self.name:
            self._rates.keeper.give_up(self._limits.tenant, self.name)
        self.inside = False

    def withdraw(self) -> None:
        """Ask for nothing, where that has not been sent yet."""
        if self._asked is not None:
            self._trips.withdraw(self._asked)
            self._asked = None

    def _read(self, reply: Any) -> None:  # noqa: ANN401 - what the script returns
        place, wait, reset, *rivals = reply
        self._asked = None
        self._taken = False
        self._answered.set()
        if self.bucket is not None:
            self.bucket.learn(reset / _US, trio.current_time())
        self._full = not place
        self.rivals = rivals[0] if rivals else 1
        if self._full:
            self._trips.budget = Budget()  # who waits for a place waits anyway, however often it is asked for
        self._wait = wait / _US
        self.inside = bool(place) and not wait
        if self.inside and self.name:
            self._rates.keeper.hold(self._limits.tenant, self.name)

    def _lose(self) -> None:
        """Nobody knows whether the store took the tokens."""
        self._taken = True
        self._find_unrun()

    def _find_unrun(self) -> None:
        """It is decided here. Its place is given up, should the store have given it one."""
        self._asked = None
        self._answered.set()
        if self.name:
            self._rates.keeper.give_up(self._limits.tenant, self.name)

    def _is_full_here(self) -> bool:
        """Come in within this gateway's share; returns whether that is full."""
        limits, rates = self._limits, self._rates
        if limits.places > 0 and not rates.has_room(limits):
            return True
        if self.bucket is not None:
            weigh = rates.wait_here if self._taken else rates.spend_here
            wait = weigh(self.bucket, self.tokens, trio.current_time())
            if wait:
                raise tokens_used_up(self.bucket.per_minute, self.tokens, wait)
            self.share = None if self._taken else rates.share(self.bucket)
        self.inside = True
        if limits.places > 0:
            self.name = rates.keeper.new_name()
            rates.keeper.hold(limits.tenant, self.name)
        return False


class SharedDues:
    """The dues of one request where several gateways share a store; as `Dues`."""

    def __init__(self, rates: SharedRates, limits: Limits) -> None:
        self._rates = rates
        self._limits = limits
        self._owed = 0
        self.trips = Trips(rates.link)
        self.entry = SharedEntry(rates, limits, self.trips)

    async def admit(self, now: float) -> float:
        """As `Dues.admit`."""
        bucket = self._limits.requests
        if bucket is None:
            return 0.0
        try:
            ((_, wait, full),) = await self.trips.go(dues_call(self._limits, "requests", bucket, 1, "asked"))
        except StateDown:
            return self._rates.spend_here(bucket, 1, now)
        bucket.learn(full / _US, trio.current_time())
        return float(wait / _US)

    def charge(self, tokens: int, now: float) -> float:
        """As `Dues.charge`: they are counted when the turn comes in."""
        del now
        self.entry.bucket, self.entry.tokens = self._limits.tokens, tokens
        return 0.0

    def owe(self, tokens: int, now: float) -> None:
        """As `Dues.owe`."""
        del now
        self._owed += tokens

    def close(self, forgiven: int) -> None:
        """As `Dues.close`: the store is told with the last trip."""
        entry, limits, owed = self.entry, self._limits, self._owed - forgiven
        entry.withdraw()
        if not entry.inside:
            return
        entry.inside = False
        bucket = entry.bucket if owed else None
        if bucket is not None and entry.share is not None:
            entry.share.settle(owed, trio.current_time())
            bucket = None
        self._rates.keeper.release(limits.tenant, entry.name)
        if entry.name or bucket is not None:
            call = dues_call(limits, "tokens", bucket, owed, "owed", name=entry.name)
            self.trips.ride(call, partial(_learn, bucket), partial(self._settle_here, bucket, owed))

    def abandon(self) -> None:
        """As `Dues.abandon`: another task tells the store."""
        if self.trips.due:
            self._rates.keeper.take_over(self.trips.unload())

    def _settle_here(self, bucket: Bucket | None, owed: int) -> None:
        """Nobody knows whether the store was told."""
        if self.entry.name:
            self._rates.keeper.give_up(self._limits.tenant, self.entry.name)
        if bucket is not None:
            self._rates.share(bucket).settle(owed, trio.current_time())


def dues_call(
    limits: Limits,
    kind: Literal["requests", "tokens"],
    bucket: Bucket | None,
    amount: int,
    how: Literal["asked", "owed"],
    *,
    name: str = "",
) -> Call:
    """Ask for, or settle, an amount of a bucket and the place of that name, where there are such."""
    per_minute = bucket.per_minute if bucket is not None else 0
    places_of = places_key(limits.tenant)
    # `2` is the form of what is kept there: while gateways are exchanged those of another version cannot read it.
    keys = (f"lt:{{{limits.tenant}}}:{kind}:{per_minute}:2", places_of, f"{places_of}:wanted")
    places = limits.places if how == "asked" else 1  # the limit may have been taken away since
    return Call("dues", keys, (amount, per_minute, how, name, places if name else 0, LEASE_MS))


def _learn(bucket: Bucket | None, reply: Any) -> None:  # noqa: ANN401 - what the script returns
    if bucket is not None:
        bucket.learn(reply[2] / _US, trio.current_time())
