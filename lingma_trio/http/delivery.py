"""Brings a response, of one answer or several, to its client: at the client's pace, in the form of the client's API.

Holds nothing that others wait for: no slot, no instance, no session. Whoever made the answer is done when the answer
is, and a slow reader costs the memory of what it has not read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import trio

from lingma_trio.api.encoder import Carrier
from lingma_trio.api.responses.stream import ResponseStream
from lingma_trio.errors import GatewayError, PromptTooLong
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.outbox import Source, count_unread

PIECE_BYTES = 256 * 1024
"""What is handed to the server at once: more would keep the loop from others while it is copied."""


class Delivery:
    """One answer on its way out. `stream` says whether it leaves as it comes.

    A client to whom nothing was sent for `patience` seconds is sent a sign of life when the outbox has one.
    """

    def __init__(self, exchange: Exchange, *, stream: bool, patience: float) -> None:
        self._exchange = exchange
        self._now = exchange.progress.now
        self._stream = stream
        self._patience = patience
        self._sent_at = 0.0
        self._due = False  # a write, for what was offered and is not all taken

    async def run(self, source: Source, completed: Callable[[], Awaitable[None]] | None) -> None:
        """Send all that comes from `source`, or tell of the fault that ended it.

        `completed` is awaited where it is whole, before its last bytes leave. Cancelling cuts the response off.
        """
        carrier: Carrier | None = None
        try:
            carrier = await source.opened()
            self._sent_at = self._now()
            while (data := await source.encoded()) is not None:
                if data or self._due:
                    await self._send(data)
                elif self._now() - self._sent_at >= self._patience:
                    await self._send(carrier.keepalive)
                del data  # while the next piece is waited for, which may be long
        except GatewayError as error:
            await self._fail(error, carrier)
            return
        last = source.last()
        try:
            count_unread(self._exchange.held, len(last))
        except GatewayError as error:
            await self._fail(error, None)
            return
        if completed is not None:
            await completed()
        await self._end(last)

    def offer(self, data: bytes) -> bool:
        """Send a piece of a stream that has begun while `run` waits for one. Never waits.

        Returns whether the client took all of it; if not, `run` is to be given something, be it a sign of life.
        """
        self._sent_at = self._now()
        self._due = not self._exchange.offer(data)
        return not self._due

    async def _send(self, data: bytes) -> None:
        self._due = False
        if not self._exchange.started:
            await self._exchange.begin_stream()
        await self._exchange.write(data)
        self._sent_at = self._now()

    async def _end(self, last: bytes) -> None:
        exchange = self._exchange
        if not exchange.started:
            await (exchange.begin_stream() if self._stream else exchange.begin_whole(len(last)))
        if exchange.watched and len(last) <= PIECE_BYTES:
            await exchange.end(last)
            return
        # All but one byte: nobody has the answer before its last one, so whoever leaves until then goes without it,
        # and whoever hangs up on it, as Codex does, has it all.
        for piece in _pieces(last[:-1]):
            await exchange.write(piece)
            await trio.lowlevel.checkpoint()  # so that others run between two pieces
        # The write may have found that the client left, which the watch is told and acts on while this task runs twice.
        await trio.lowlevel.checkpoint()
        await exchange.end(last[-1:])

    async def _fail(self, error: GatewayError, carrier: Carrier | None) -> None:
        """Tell of a fault: as a status while nothing is sent, else in-band.

        The stream is left without its end, but where the surface has an event that says by itself that it failed.
        Without a carrier, whose end is written already, it is cut off.
        """
        exchange = self._exchange
        if not exchange.started:
            if not (isinstance(carrier, ResponseStream) and isinstance(error, PromptTooLong)):
                await exchange.refuse(error)
                return
            await exchange.begin_stream()  # Codex makes room on this event, and on no status
        exchange.outcome = error.code
        if carrier is None:
            return
        opening = b"" if carrier.started else carrier.start()  # comments may be all that was sent so far
        last = opening + carrier.fail(error)
        if carrier.fails_whole:
            await self._end(last)
        else:
            await exchange.write(last)


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES))
