"""Where one turn's events wait for the one task that sends them on.

The RPC pump puts without ever waiting; deltas of one kind that wait together are one event when they are taken. A slow
client therefore gets fewer, larger chunks, and what waits is bounded by the answer itself, which `max_size` bounds.
"""

from __future__ import annotations

import trio

from lingma_trio.errors import AnswerTooLong, GatewayError
from lingma_trio.turns import AnswerEvent, Finished, TextDelta, TextReplaced, ThoughtDelta, ToolCall


class Inbox:
    """Single consumer, synchronous producers. Implements the sink that a turn's reducer writes to."""

    def __init__(self, *, max_size: int) -> None:
        self._room = max_size
        self._ready: list[AnswerEvent] = []
        self._kind: type[TextDelta | ThoughtDelta] = TextDelta
        self._parts: list[str] = []
        self._failure: GatewayError | None = None
        self._finished = False
        self._waiting: trio.Event | None = None

    def __repr__(self) -> str:
        return f"<Inbox waiting={len(self._ready) + bool(self._parts)} finished={self._finished} {self._failure!r}>"

    @property
    def failed(self) -> bool:
        """Whether a failure is due once what arrived before it has been taken."""
        return self._failure is not None

    def text(self, text: str) -> None:
        """Append to the answer."""
        self._append(TextDelta, text)

    def thought(self, text: str) -> None:
        """Append to the reasoning."""
        self._append(ThoughtDelta, text)

    def replaced(self, text: str) -> None:
        """Void the text so far; text that nobody has taken yet is dropped unseen."""
        self._seal()
        self._ready = [event for event in self._ready if isinstance(event, ThoughtDelta)]
        self._put(TextReplaced(text), len(text))

    def call(self, call: ToolCall) -> None:
        """A call of one of the client's tools, after what came before it."""
        self._put(call, len(call.name) + len(call.arguments))

    def finished(self, event: Finished) -> None:
        """The answer is complete."""
        self._finished = True
        self._put(event, 0)

    def fail(self, error: GatewayError) -> None:
        """The answer failed; `take` raises this once what came before has been taken. The first failure counts."""
        if self._failure is None and not self._finished:
            self._failure = error
            self._wake()

    async def take(self) -> list[AnswerEvent]:
        """Everything that waits, at least one event.

        Raises the failure once nothing else waits, again on every later call. Cancelling loses nothing.
        """
        while not (self._parts or self._ready):
            if self._failure is not None:
                raise self._failure
            self._waiting = trio.Event()
            await self._waiting.wait()
        self._seal()
        events, self._ready = self._ready, []
        return events

    def _append(self, kind: type[TextDelta | ThoughtDelta], text: str) -> None:
        if kind is not self._kind:
            self._seal()
            self._kind = kind
        self._parts.append(text)
        self._room -= len(text)
        if self._room < 0:
            self._overflow()
        if self._waiting is not None:
            self._wake()

    def _put(self, event: AnswerEvent, size: int) -> None:
        self._seal()
        self._ready.append(event)
        self._room -= size
        if self._room < 0:
            self._overflow()
        self._wake()

    def _seal(self) -> None:
        if self._parts:
            self._ready.append(self._kind("".join(self._parts)))
            self._parts = []

    def _overflow(self) -> None:
        self._parts = []
        self._ready = []
        self.fail(AnswerTooLong("the answer is longer than MAX_ANSWER_BYTES; ask for less, or raise the setting"))

    def _wake(self) -> None:
        if self._waiting is not None:
            self._waiting.set()
            self._waiting = None
