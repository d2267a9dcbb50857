"""Where one turn's events wait for the one task that takes them.

The RPC pump puts without ever waiting; deltas of one kind that wait together are one event when they are taken. What
comes in all is bounded by `max_size`, the size of the longest answer.
"""

from __future__ import annotations

import trio

from lingma_trio.alarm import Alarm
from lingma_trio.errors import AnswerTooLong, GatewayError
from lingma_trio.policy.backlog import Backlog, size_of
from lingma_trio.turns import AnswerEvent, Finished


class Inbox:
    """Single consumer, synchronous producers."""

    def __init__(self, *, max_size: int) -> None:
        self._room = max_size
        self.overflowed = False
        """Whether the answer is longer than it may be, so that nothing more of it is of any use."""
        self._backlog = Backlog()
        self._failure: GatewayError | None = None
        self._finished = False
        self._alarm = Alarm()

    def __repr__(self) -> str:
        return f"<Inbox waiting={len(self._backlog)} finished={self._finished} {self._failure!r}>"

    @property
    def failed(self) -> bool:
        """Whether a failure is due once what arrived before it has been taken."""
        return self._failure is not None

    def put(self, event: AnswerEvent) -> None:
        """Add an event. One that makes the answer too long fails it, and neither it nor what follows is kept."""
        self._room -= size_of(event)
        if self._room < 0:
            self.overflowed = True
            self._backlog.clear()
            self.fail(AnswerTooLong("the answer is longer than MAX_ANSWER_BYTES; ask for less, or raise the setting"))
            return
        self._finished = self._finished or type(event) is Finished
        self._backlog.put(event)
        self._alarm.ring()

    def fail(self, error: GatewayError) -> None:
        """The answer failed; `take` raises this once what came before has been taken. The first failure counts."""
        if self._failure is None and not self._finished:
            self._failure = error
            self._alarm.ring()

    async def take(self) -> list[AnswerEvent]:
        """The first of what waits, at least one event; all of it where it is not very much.

        Raises the failure once nothing else waits, again on every later call. Cancelling loses nothing.
        """
        if self._backlog.more:
            await trio.lowlevel.checkpoint()  # so that others run between two pieces
        while not (events := self._backlog.take()):
            if self._failure is not None:
                raise self._failure
            await self._alarm.wait()
        return events
