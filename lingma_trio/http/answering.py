"""One request for an answer, on any surface, from its body to its last byte.

    REQUEST NURSERY
    ├─ departure watch   waits for the client to leave, then cancels everything here
    ├─ turn              ticket → slot → pictures → session and turn → events → commit: into the outbox, and over
    └─ body              the outbox's events → bytes → client, at the client's pace

Whatever ends the turn, the `with` blocks on its way out stop upstream and free the slot, and the session is committed
by a statement that only a finished answer reaches. Nobody's reading keeps it from that.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from lingma_trio.api.answer_request import AnswerRequest
from lingma_trio.api.choices import SeveralAnswers
from lingma_trio.api.encoder import Encoder
from lingma_trio.errors import GatewayError
from lingma_trio.http.delivery import Delivery
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.intake import admit, take_in
from lingma_trio.http.ledger import Ledger
from lingma_trio.http.making import Making
from lingma_trio.http.outbox import Outbox
from lingma_trio.http.outboxes import Outboxes
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant
from lingma_trio.http.underway import Entry


class Answering:
    """A handler for the requests of one surface; `parse` reads a body and raises `InvalidRequest`."""

    def __init__(self, parse: Callable[[bytes], AnswerRequest | SeveralAnswers]) -> None:
        self._parse = parse

    async def __call__(self, exchange: Exchange, services: Services) -> None:
        """Serve one request. Cancelling it tells upstream to stop and frees the slot."""
        tenant = await admit(exchange, services)
        await serve_answer(exchange, services, await take_in(exchange, services, tenant, self._parse), tenant)


async def serve_answer(
    exchange: Exchange,
    services: Services,
    asked: AnswerRequest | SeveralAnswers,
    tenant: Tenant,
    *,
    completed: Callable[[Encoder], Awaitable[None]] | None = None,
    timed: bool = False,
) -> None:
    """Answer a checked request of `tenant`, to which the caller keeps no reference unless it has to for `completed`.

    `completed` is awaited with the encoder of the one answer once that is whole and committed, before its last bytes
    go out; never for one that was cancelled or failed. Cancelling tells upstream to stop and frees the slot.

    A whole answer is made in this task, since nothing leaves before it is made, where the server itself ends what runs
    for a client that leaves; but not one whose encoder is `timed`, and has to see each event when it comes.
    """
    request = asked.request if isinstance(asked, SeveralAnswers) else asked
    exchange.facts["stream"] = request.stream
    if request.ignored:
        exchange.tell_ignored(request.ignored)
    keepalive = services.bounds.keepalive
    patience = keepalive if request.stream and keepalive > 0 else math.inf
    in_turn = exchange.watched and not request.stream and not timed
    delivery = Delivery(exchange, stream=request.stream, patience=patience)
    ledger = exchange.ledger
    assert ledger is not None
    with services.underway.open(exchange, request.model) as entry, ledger:
        told = None if in_turn else entry
        making = Making(exchange, services, request, tenant, patience=patience, alone=completed is None, entry=told)
        outbox: Outbox | Outboxes
        if isinstance(asked, SeveralAnswers):
            outbox = Outboxes(len(asked.prompts) * asked.each, asked.choices)
            make = partial(making.make_several, asked, outbox)
            tell = None
        else:
            outbox = Outbox()
            make = partial(making.make, outbox)
            tell = None if completed is None else partial(_tell, completed, outbox, ledger)
        if in_turn:
            whole = _make_and_deliver(exchange, services, entry, make, partial(delivery.run, outbox, tell))
            del asked, request, making, make
            await whole
            return
        if exchange.watched and request.stream and isinstance(outbox, Outbox):
            outbox.straight = delivery.offer
        async with trio.open_nursery() as nursery:
            entry.deliver_in(nursery.cancel_scope)
            exchange.watch_departure(nursery)
            nursery.start_soon(make if tell is None else partial(_make, make, ledger), name="turn")
            # Which hold the conversation, and what is left to do here may go on for long.
            del asked, request, making, make
            with services.ceiling.over_delivery(nursery.cancel_scope):
                await delivery.run(outbox, tell)
            nursery.cancel_scope.cancel("the response is complete")


async def _make_and_deliver(
    exchange: Exchange,
    services: Services,
    entry: Entry,
    make: Callable[[], Awaitable[None]],
    deliver: Callable[[], Awaitable[None]],
) -> None:
    """Make a whole answer and deliver it, or what its client is told where it was not made in time or is not to be."""
    made = late = False
    verdict: GatewayError | None = None
    try:
        with services.ceiling.over_both() as bound:
            entry.deliver_in(bound.scope)
            await make()
            del make
            made = True
            late = not bound.made()
            if not late:
                await deliver()
    except GatewayError as error:
        if made:
            raise
        verdict = error
    if not made:
        with services.ceiling.over_words():
            await exchange.refuse(entry.verdict if verdict is None else verdict)
    elif late and not entry.cancelled:  # of which the entry tells
        with services.ceiling.over_words() as scope:
            entry.deliver_in(scope)
            await deliver()


async def _tell(completed: Callable[[Encoder], Awaitable[None]], outbox: Outbox, ledger: Ledger) -> None:
    await completed(outbox.encoder)
    await ledger.finish()


async def _make(make: Callable[[], Awaitable[None]], ledger: Ledger) -> None:
    """Make an answer whose last trip to the store is made when it is delivered, but for no client that is slow."""
    await make()
    await ledger.finish_soon()
