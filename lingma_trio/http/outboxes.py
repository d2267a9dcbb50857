"""Where the events of several answers wait that leave in one response.

Knows the outboxes of the answers; what becomes of a response they are in is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.choices import Choices
from lingma_trio.api.encoder import Encoder
from lingma_trio.api.reply import Ending
from lingma_trio.errors import GatewayError
from lingma_trio.http.outbox import Bell, Outbox


class Outboxes:
    """The outboxes of so many answers, for whose encoders `choices` is called once; the end and the failure are all's.

    A `Source`.
    """

    def __init__(self, count: int, choices: Callable[[Origin], Choices]) -> None:
        self._bell = Bell()
        self.each = tuple(Outbox(self._bell) for _ in range(count))
        self._make_choices: Callable[[Origin], Choices] | None = choices  # holds the conversation, so it is let go of
        self._choices: Choices | None = None
        self._closed: set[int] = set()
        self._ending: Ending | None = None

    def __repr__(self) -> str:
        return f"<Outboxes {self.each!r} {self._ending} {self._bell.failure!r}>"

    @property
    def size(self) -> int:
        """Bytes of text that wait, as those of an `Outbox`."""
        return sum(outbox.size for outbox in self.each)

    def encoder(self, index: int, origin: Origin) -> Encoder:
        """The encoder of one of the answers, whose question has been put; where it is the first, `origin` is all's."""
        if self._make_choices is not None:
            self._choices, self._make_choices = self._make_choices(origin), None
            self._bell.ring()
        assert self._choices is not None
        return self._choices.encoders[index]

    def end(self, ending: Ending) -> None:
        """Every answer is whole."""
        self._ending = ending
        self._bell.ring()

    def fail(self, error: GatewayError) -> None:
        """One of the answers will never be whole, so that the response will not be."""
        self._bell.fail(error)

    def clear(self) -> None:
        """Drop what waits."""
        for outbox in self.each:
            outbox.clear()

    async def opened(self) -> Choices:
        """Wait until a question has been put. Raises the failure where none ever is."""
        while self._choices is None:
            await self._bell.wait()
        return self._choices

    async def encoded(self) -> bytes | None:
        """What waits of all answers, and the ends of those that have ended; or None once the response has."""
        choices = await self.opened()
        await trio.lowlevel.checkpoint()  # so that others run between two pieces
        while (pieces := self._taken(choices)) is None:
            if self._ending is not None:
                return None
            await self._bell.wait()
        return b"".join(pieces)

    def last(self) -> bytes:
        """What ends the response."""
        assert self._choices is not None
        assert self._ending is not None
        return self._choices.finish(self._ending.usage)

    def _taken(self, choices: Choices) -> list[bytes] | None:
        pieces: list[bytes] = []
        stirred = False
        for index, outbox in enumerate(self.each):
            if outbox.stirred:
                stirred = True
                pieces.append(choices.encode(index, outbox.take_nowait()))
            if outbox.ended and index not in self._closed:
                stirred = True
                self._closed.add(index)
                pieces.append(choices.close(index, outbox.ending.reason))
        return pieces if stirred else None
