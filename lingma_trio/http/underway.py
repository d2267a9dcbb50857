"""The requests for answers that are under way, each of which the operator may end.

Knows how each can be ended so that its client is told. Does not know who asks for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

import trio

from lingma_trio.errors import CancelledByOperator, GatewayError, NotFound

if TYPE_CHECKING:
    from lingma_trio.http.exchange import Exchange

REASON = "cancelled by the operator"


class Entry:
    """One request, which asked for `model`. `exchange` says whose it is and how far it came.

    Among those that are under way for the length of its block; `Underway.open` makes it. A class, since each request
    has one and a generator for it costs twice the calls.
    """

    def __init__(self, among: dict[str, Entry], exchange: Exchange, model: str) -> None:
        self._among = among
        self.exchange = exchange
        self.model = model
        self.cancelled = False
        self._making: trio.CancelScope | None = None
        self._delivery: trio.CancelScope | None = None

    def __repr__(self) -> str:
        return f"<Entry {self.exchange!r} cancelled={self.cancelled}>"

    def __enter__(self) -> Self:
        self._among[self.exchange.head.id] = self
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        exchange = self.exchange
        del self._among[exchange.head.id]
        if kind is None and self.cancelled and exchange.progress.stage != "sent" and not exchange.departed:
            if not exchange.started:
                raise _cancelled()
            exchange.outcome = CancelledByOperator.code

    def make_in(self, scope: trio.CancelScope | None) -> None:
        """Say what makes the answer, for as long as that is so. Where it was cancelled the client is told `verdict`."""
        self._making = scope

    @property
    def verdict(self) -> GatewayError:
        """What a client is told of an answer that was cancelled."""
        return _cancelled()

    def deliver_in(self, scope: trio.CancelScope) -> None:
        """Say what delivers the answer, and makes it: an answer that is made already is cut off."""
        self._delivery = scope

    def cancel(self) -> None:
        """End the request: with an error for its client, or cut off where the answer is made and waits to be read."""
        self.cancelled = True
        scope = self._making or self._delivery
        if scope is not None:
            scope.cancel(REASON)


class Underway:
    """The requests of one gateway."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def __repr__(self) -> str:
        return f"<Underway {len(self)}>"

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """The oldest first."""
        return iter(tuple(self._entries.values()))

    def open(self, exchange: Exchange, model: str) -> Entry:
        """Have the request among them for the length of the block, which delivers its answer.

        Raises `CancelledByOperator` where it was cancelled before anything was sent and its client is still there.
        """
        return Entry(self._entries, exchange, model)

    def cancel(self, request: str) -> list[Entry]:
        """End what goes by this id: the gateway's own, or the one that its client was told, which it may use twice.

        Raises `NotFound` where nothing does, or does any more.
        """
        found = [entry for entry in self if request in {entry.exchange.head.id, entry.exchange.head.request_id}]
        if not found:
            raise NotFound("no request of that id is under way; it may have ended meanwhile")
        for entry in found:
            entry.cancel()
        return found


def _cancelled() -> CancelledByOperator:
    return CancelledByOperator("the operator of this gateway cancelled the request")
