"""Responses kept in the store that gateways share, each in its own body, with an index of each tenant's.

Knows the form of a body, and in what pieces it goes. A response that follows another holds its own part alone, so a
conversation is kept once, however long. The script `responses` decides what is kept, and for how long.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, Final
from weakref import WeakValueDictionary

import structlog
import trio
from pydantic_core import from_json, to_json

from lingma_trio.errors import StateDown
from lingma_trio.policy.response_store import Encoded, Items, StoredResponse
from lingma_trio.state.batches import batches
from lingma_trio.state.link import REQUEST_BUDGET, RETRY_AFTER, Budget, Call, Link
from lingma_trio.state.trips import Trips
from lingma_trio.threads import apart

PIECE: Final = 256 * 1024
"""Bytes of a body that one call carries: the server serves others in between, and the loop does."""

AT_ONCE: Final = 4
"""Pieces in one round trip."""

MOST_BODY: Final = 16 * 1024 * 1024
"""Bytes of a response, and of a conversation that is brought back, in whole: what the way there and back takes is still
well below what a request may wait for the store."""

DEEPEST: Final = 200
"""Responses that follow one another. The next one is kept with all that it follows, as if it were the first, since each
of these costs the server a little whenever the last is looked for."""

NAMES_AT_ONCE: Final = 500
LONGEST_NAME: Final = 200
"""Bytes of an item's name, those of OpenAI's having some fifty. Nobody finds an item by a longer one: names are in the
index, which one call reads, and not in pieces."""

LEAST: Final = 0.05
"""Seconds that have to be left for the next trip of several: one that is cut short would be taken for a store that is
down. What a request has left for its last trip is as much, whatever its response is too slow for."""

PART_SECONDS: Final = 10
"""How long the first part of a body waits for the rest."""

log = structlog.get_logger("lingma_trio.state")


class StoreResponses:
    """`Responses` in a store, of each tenant `max_entries` and `max_bytes` at most, each for `ttl` seconds.

    Where the store is down nothing is kept, which nobody hears of but the log, and looking raises `StateDown`. Nothing
    here waits longer for it than what is left of the request's budget, or than `seconds` where that has no trips; what
    one tenant has brought in pieces comes one after another within that, for the store is everybody's.
    """

    def __init__(
        self, link: Link, *, max_entries: int, max_bytes: int, ttl: float, seconds: float = REQUEST_BUDGET
    ) -> None:
        self._link = link
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._seconds = seconds
        self._lines: WeakValueDictionary[str, trio.Lock] = WeakValueDictionary()

    def __repr__(self) -> str:
        return f"<StoreResponses of {self._link!r}>"

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return bool(self._max_entries and self._max_bytes)

    async def put(self, tenant: str, identity: str, response: StoredResponse, trips: Trips | None = None) -> None:
        """Keep a response under its id, as far as the store takes it; with the last trip, if it is one of several."""
        if not self.keeps or max(response.size, response.reach) > min(self._max_bytes, MOST_BODY):
            return
        before = response.before
        if before is not None and not (before.identity and len(before.lineage()) < DEEPEST):
            response = _whole(response)
        try:
            calls = await apart(response.size, self._puts, tenant, identity, response)
            budget = self._budget(trips)
            if await self._sent(calls, budget, trips) < 0:
                calls = await apart(response.size, self._puts, tenant, identity, _whole(response))
                await self._trips(calls, budget)
        except StateDown as fault:
            log.info("response_not_kept", response=identity, reason=str(fault))

    async def find(
        self,
        tenant: str,
        identity: str,
        check: Callable[[int], None] | None = None,
        trips: Trips | None = None,
    ) -> StoredResponse | None:
        """Return the response of this id, or None. Raises `StateDown`."""
        budget = self._budget(trips)
        look = _call(tenant, "find", identity, AT_ONCE * PIECE)
        (found,) = await (self._trips([look], budget) if trips is None else trips.go(look))
        if found is None:
            return None
        reach, *listed = found
        if check is not None:
            check(reach)
        names = [name.decode() for name in listed[::3]]
        places = [(name, 0, length) for name, length in zip(names, listed[1::3], strict=True)]
        bodies = [body for body in await self._brought(tenant, places, listed[2::3], budget) if body is not None]
        if len(bodies) < len(names):
            return None
        return await apart(reach, _line, names[::-1], bodies[::-1])

    async def items(
        self, tenant: str, names: Sequence[str], most: int, trips: Trips | None = None
    ) -> Mapping[str, bytes]:
        """Return the items of these ids by them. Raises `StateDown`."""
        wanted = [name for name in dict.fromkeys(names) if len(name.encode()) <= LONGEST_NAME]
        budget = self._budget(trips)
        calls = (_call(tenant, "items", PIECE, *batch) for batch in batches(wanted, NAMES_AT_ONCE))
        listed = [place for found in await self._trips(calls, budget) for place in found]
        names, places, texts, size = [], [], [], 0
        for name, place in zip(wanted, listed, strict=True):
            if place is not None and size <= most:
                identity, at, length, text = place
                size += length
                names.append(name)
                places.append((identity.decode(), at, length))
                texts.append(text)
        brought = await self._brought(tenant, places, texts, budget)
        return {name: text for name, text in zip(names, brought, strict=True) if text is not None}

    async def remove(self, tenant: str, identity: str) -> bool:
        """Forget the response; whether there was one. Raises `StateDown`."""
        (removed,) = await self._trips([_call(tenant, "remove", identity)], self._budget(None))
        return bool(removed)

    async def _sent(self, calls: Sequence[Call], budget: Budget, trips: Trips | None) -> int:
        """The reply to the last of these calls, which goes with whatever else the request has for its last trip."""
        if trips is None:
            return int((await self._trips(calls, budget))[-1])
        await self._trips(calls[:-1], budget, spare=LEAST)
        replies: list[int] = []
        trips.ride(calls[-1], replies.append)
        await trips.finish()
        if not replies:
            raise StateDown("it did not answer in time", retry_after=RETRY_AFTER)
        return replies[0]

    def _puts(self, tenant: str, identity: str, response: StoredResponse) -> list[Call]:
        """What brings a response there, whose reply is that of the last call."""
        names, pieces = _packed(response)
        before = response.before
        parts = pieces if len(pieces) > 1 else []
        put = _call(
            tenant,
            "put",
            identity,
            "" if before is None else before.identity,
            response.size,
            response.reach - (0 if before is None else before.reach),
            names,
            b"" if parts else pieces[0],
            sum(map(len, pieces)),
            int(self._ttl * 1000),
            self._max_bytes,
            self._max_entries,
            DEEPEST,
        )
        return [*(_call(tenant, "part", identity, PART_SECONDS, piece) for piece in parts), put]

    async def _brought(
        self, tenant: str, places: Sequence[tuple[str, int, int]], texts: Sequence[bytes], budget: Budget
    ) -> list[bytes | None]:
        """What stands at these places of bodies, of which some came along; None for what is gone meanwhile."""
        missing = [at for at, (place, text) in enumerate(zip(places, texts, strict=True)) if len(text) < place[2]]
        pieces: Iterator[bytes] = iter(())
        if missing:
            calls = (call for at in missing for call in _pieces_of(tenant, *places[at]))
            async with self._in_line(tenant, budget):
                pieces = iter(await self._trips(calls, budget))
        brought: list[bytes | None] = list(texts)
        for at in missing:
            length = places[at][2]
            text = b"".join(islice(pieces, -(-length // PIECE)))
            brought[at] = text if len(text) == length else None
        return brought

    @asynccontextmanager
    async def _in_line(self, tenant: str, budget: Budget) -> AsyncIterator[None]:
        """Be the one of the tenant's for whom pieces are brought. The wait is one for the store. Raises `StateDown`."""
        line, began = self._lines.setdefault(tenant, trio.Lock()), trio.current_time()
        with trio.move_on_after(budget.left) as patience:
            await line.acquire()
        budget.spend(trio.current_time() - began)
        if patience.cancelled_caught:
            raise StateDown(
                "the store brings other long conversations of this key; send the request again in a moment",
                retry_after=RETRY_AFTER,
            )
        try:
            yield
        finally:
            line.release()

    def _budget(self, trips: Trips | None) -> Budget:
        return Budget(self._seconds) if trips is None else trips.budget

    async def _trips(self, calls: Iterable[Call], budget: Budget, spare: float = 0.0) -> list[Any]:
        """The replies to calls of a piece each, some at a time, as far as they come within all but `spare` of it."""
        replies: list[Any] = []
        for batch in batches(calls, AT_ONCE):
            left = budget.left - spare
            if left < LEAST:
                raise StateDown("the store is too slow for what is kept of this conversation", retry_after=RETRY_AFTER)
            own = Budget(left)
            try:
                replies += await self._link.trip(*batch, budget=own)
            finally:
                budget.spend(left - own.left)
        return replies


def _call(tenant: str, act: str, *args: str | int | bytes) -> Call:
    index = f"lt:{{{tenant}}}:responses"
    return Call("responses", (index, f"{index}:ends"), (act, *args))


def _pieces_of(tenant: str, identity: str, at: int, length: int) -> Iterator[Call]:
    for start in range(at, at + length, PIECE):
        yield _call(tenant, "piece", identity, start, min(start + PIECE, at + length) - 1)


def _whole(response: StoredResponse) -> StoredResponse:
    """The response with all that it follows as its own, which says the same to whoever goes on with it."""
    earlier = [] if response.before is None else response.before.lineage()
    return StoredResponse(tuple(item for each in earlier for item in each.items) + response.given, response.told, None)


def _packed(response: StoredResponse) -> tuple[bytes, list[bytes]]:
    """The names of its items with their places in its body, as the script reads them, and the body in pieces."""
    told = response.told
    plan = {
        "given": [(name, len(text)) for name, text in response.given],
        "head": len(told.head),
        "output": [(name, len(text)) for name, text in told.output],
        "tail": len(told.tail),
    }
    first = to_json(plan) + b"\n"
    texts = [first, *(text for _, text in response.given), told.head, *(text for _, text in told.output), told.tail]
    names: list[bytes] = []
    at = len(first)
    for items, after in ((response.given, len(told.head)), (told.output, 0)):
        for name, text in items:
            if 0 < len(encoded := name.encode()) <= LONGEST_NAME:
                names.append(b"%d:%s %d %d;" % (len(encoded), encoded, at, len(text)))
            at += len(text)
        at += after
    body = b"".join(texts)
    return b"".join(names), [body[start : start + PIECE] for start in range(0, len(body), PIECE)]


def _unpacked(identity: str, body: bytes, before: StoredResponse | None) -> StoredResponse:
    end = body.index(b"\n") + 1
    plan: dict[str, Any] = from_json(body[: end - 1])
    at = end

    def text(length: int) -> bytes:
        nonlocal at
        at += length
        return body[at - length : at]

    given: Items = tuple((name, text(length)) for name, length in plan["given"])
    head = text(plan["head"])
    output: Items = tuple((name, text(length)) for name, length in plan["output"])
    return StoredResponse(given, Encoded(head, output, text(plan["tail"])), before, identity)


def _line(identities: Sequence[str], bodies: Sequence[bytes]) -> StoredResponse | None:
    """The last of these, each of which follows the one before it."""
    found: StoredResponse | None = None
    for identity, body in zip(identities, bodies, strict=True):
        found = _unpacked(identity, body, found)
    return found
