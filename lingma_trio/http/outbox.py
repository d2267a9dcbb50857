"""Where the events of an answer wait for its client to read them.

The turn puts without ever waiting, so it ends when Lingma is done, whatever its client's pace. What waits together
leaves together, and takes about the memory of the answer's text, which MAX_ANSWER_BYTES bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import trio

from lingma_trio.alarm import Alarm
from lingma_trio.api.encoder import Carrier, Encoder, encode_event
from lingma_trio.api.reply import Ending
from lingma_trio.errors import GatewayError
from lingma_trio.http.holding import Holding
from lingma_trio.policy.backlog import Backlog, size_of
from lingma_trio.turns import AnswerEvent

UNCOUNTED = 64 * 1024
"""Bytes of an answer that may wait for a client without being counted: what nearly every client is about to read."""


def count_unread(held: Holding, size: int) -> None:
    """Have `held` count an answer's bytes that wait for their client with no slot to bound them.

    Raises `BytesExceeded` where too much waits for clients of the same key, or for all together.
    """
    if size > UNCOUNTED:
        held.take(size - UNCOUNTED)


class Source(Protocol):
    """What a delivery brings to a client: `opened`, then `encoded` until it returns None, then `last`."""

    async def opened(self) -> Carrier:
        """Wait until a question has been put. Raises the failure where none ever is."""
        ...

    async def encoded(self) -> bytes | None:
        """What waits, or `b""` for a sign of life; None is the end. Raises the failure once nothing else waits."""
        ...

    def last(self) -> bytes:
        """The last bytes, once all others are out."""
        ...


class Bell(Alarm):
    """Wakes the one who waits for something to change, or tells it that nothing will: `failure` is why."""

    __slots__ = ("failure",)

    def __init__(self) -> None:
        super().__init__()
        self.failure: GatewayError | None = None

    def fail(self, error: GatewayError) -> None:
        """Something failed, which the one who waits is told."""
        self.failure = error
        self.ring()

    async def wait(self) -> None:
        """As of any alarm; raises the failure."""
        if self.failure is not None:
            raise self.failure
        await super().wait()


class Outbox:
    """Synchronous producer, single consumer: `opened`, then `take` until it returns None, then `ending`.

    A `Source`. `bell` is rung for whatever is new, but for what `straight` brings to the client at once: while the
    consumer waits, an answer that has begun need not wake it. It returns False where the consumer has to go on.
    """

    def __init__(self, bell: Bell | None = None) -> None:
        self._bell = bell or Bell()
        self._encoder: Encoder | None = None
        self._backlog = Backlog()
        self._stirred = False  # since the last `take`
        self._taken: list[AnswerEvent] = []  # by it, until the next
        self._ending: Ending | None = None
        self.straight: Callable[[bytes], bool] | None = None

    def __repr__(self) -> str:
        return f"<Outbox waiting={len(self._backlog)} {self._ending} {self._bell.failure!r}>"

    @property
    def size(self) -> int:
        """Bytes of text that wait, those included that were taken last and are being sent."""
        return self._backlog.size + sum(map(size_of, self._taken))

    @property
    def encoder(self) -> Encoder:
        """Whom the answer is for, once the question has been put."""
        assert self._encoder is not None
        return self._encoder

    @property
    def stirred(self) -> bool:
        """Whether there is something to be taken, be it a sign of life only."""
        return self._stirred or bool(self._backlog)

    @property
    def ended(self) -> bool:
        """Whether the answer is whole and all of it was taken."""
        return self._ending is not None and not self.stirred

    @property
    def ending(self) -> Ending:
        """How the answer ended, once it has."""
        assert self._ending is not None
        return self._ending

    def open(self, encoder: Encoder) -> None:
        """The question has been put; its answer is for `encoder`."""
        self._encoder = encoder
        self._bell.ring()

    def put(self, events: Iterable[AnswerEvent]) -> None:
        """Add events behind all others; none of them is a sign that the answer is still being made."""
        for event in events:
            self._backlog.put(event)
        if not (self.straight is not None and self._bell.waited_for and self._go_straight(self.straight)):
            self._stirred = True
            self._bell.ring()

    def end(self, ending: Ending) -> None:
        """The answer is whole."""
        self._ending = ending
        self._bell.ring()

    def fail(self, error: GatewayError) -> None:
        """There will be no whole answer; the consumer is told once it has taken what came before."""
        self._bell.fail(error)

    def clear(self) -> None:
        """Drop what waits."""
        self._backlog.clear()

    async def opened(self) -> Encoder:
        """Wait until the question has been put. Raises the failure where it never is."""
        while self._encoder is None:
            await self._bell.wait()
        return self._encoder

    async def take(self) -> list[AnswerEvent] | None:
        """The first of what waits, all of it where it is not very much, or nothing for a sign of life; None is the end.

        Raises the failure once nothing else waits. Cancelling loses no event.
        """
        self._taken = []
        if self._backlog.more:
            await trio.lowlevel.checkpoint()  # so that others run between two pieces
        while not self.stirred:
            if self._ending is not None:
                return None
            await self._bell.wait()
        return self.take_nowait()

    def take_nowait(self) -> list[AnswerEvent]:
        """The first of what waits, or nothing."""
        self._stirred = False
        self._taken = self._backlog.take()
        return self._taken

    async def encoded(self) -> bytes | None:
        """What `take` returns, as its client is sent it."""
        events = await self.take()
        return None if events is None else self._encode(self.encoder, events)

    def last(self) -> bytes:
        """The end of the answer."""
        ending = self.ending
        return self.encoder.finish(ending.reason, ending.usage, stop_sequence=ending.stop_sequence)

    def _go_straight(self, straight: Callable[[bytes], bool]) -> bool:
        """Bring what waits to the client in the producer's own step; whether nothing is left for the consumer."""
        encoder = self._encoder
        if encoder is None or not encoder.started or not self.take_nowait():
            return False
        data = self._encode(encoder, self._taken)
        if not data or not straight(data):
            return False
        self._taken = []
        return not self._backlog.more

    @staticmethod
    def _encode(encoder: Encoder, events: list[AnswerEvent]) -> bytes:
        if len(events) == 1:
            return encode_event(encoder, events[0])
        return b"".join([encode_event(encoder, event) for event in events])
